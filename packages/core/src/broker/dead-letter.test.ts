import { expect, test } from 'vitest'

import { deadLetter } from './dead-letter.ts'
import { createTopology } from './topology.ts'

const delivery = { routingKey: 'task.default.low', body: Buffer.from('{}'), type: 'a', messageId: 'm', queue: 'work' }

test('a dead letter is the message as it came, with why and from where, and with none of the broker’s own headers', () => {
  const received = { ...delivery, headers: { 'x-death': [{ count: 3 }] } }
  const letter = deadLetter(createTopology(), received, { reason: 'unknown_task', error: 'no such' })
  expect(letter).toEqual({
    exchange: 'blockmill.dead',
    routingKey: 'task.default.low',
    body: delivery.body,
    type: 'a',
    messageId: 'm',
    headers: { 'x-blockmill-reason': 'unknown_task', 'x-blockmill-error': 'no such', 'x-blockmill-queue': 'work' },
  })
})

test('a dead letter names its worker, holds the part that is meant, and cuts a text that no frame could hold', () => {
  const { type: _type, messageId: _id, ...bare } = delivery
  const body = Buffer.from('{"part":1}')
  const why = { reason: 'invalid_args', error: 'x'.repeat(200_000), worker: 'w1', body } as const
  const letter = deadLetter(createTopology(), { ...bare, type: undefined, messageId: undefined }, why)
  expect(letter).toMatchObject({ body, type: 'unknown', headers: { 'x-blockmill-worker': 'w1' } })
  expect(letter).not.toHaveProperty('messageId')
  expect(letter.headers?.['x-blockmill-error']).toHaveLength(2_000)
})

import { DEAD_HEADERS, type Delivery } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { eventMessage, idOfBlock, type Message, succeeded, taskMessage } from '../../test/message-arbitraries.ts'
import { type DeadLetter, readDeadLetter } from './dead-letter.ts'

function read({ type, body }: Message, headers: Delivery['headers'] = {}): DeadLetter {
  const delivery = { type, body, headers } as Delivery
  return readDeadLetter(delivery, { now: 5_000, monitorQueue: 'blockmill.monitor' })
}

describe('a dead letter', () => {
  it('marks the tasks of a task message as dead, with the reason', () => {
    const letter = read(taskMessage([1, 2], { attempt: 2, maxAttempts: 5 }), {
      [DEAD_HEADERS.reason]: 'unknown_task',
      [DEAD_HEADERS.error]: 'No task is called test-task.',
      [DEAD_HEADERS.queue]: 'blockmill.work.default.normal',
      [DEAD_HEADERS.worker]: 'worker-a',
    })
    expect(letter).toMatchObject({
      reason: 'unknown_task',
      error: 'No task is called test-task.',
      queue: 'blockmill.work.default.normal',
      taskId: idOfBlock(1),
    })
    expect(letter.tasks).toMatchObject([
      {
        id: idOfBlock(1),
        schedule: { queue: 'default', maxAttempts: 5 },
        state: { state: 'dead', attempt: 2, reason: 'unknown_task', finishedAt: 5_000, worker: 'worker-a' },
      },
      { id: idOfBlock(2), state: { state: 'dead' } },
    ])
  })

  it('takes reason and queue from the broker when a message went over the delivery limit', () => {
    const headers = { 'x-first-death-reason': 'delivery_limit', 'x-first-death-queue': 'blockmill.work.default.low' }
    expect(read(taskMessage([1]), headers)).toMatchObject({
      reason: 'delivery_limit',
      queue: 'blockmill.work.default.low',
      tasks: [{ state: { state: 'dead', reason: 'delivery_limit' } }],
    })
  })

  it('leaves the tasks of a message alone that only the monitor could not record', () => {
    const headers = { [DEAD_HEADERS.reason]: 'not_recordable', [DEAD_HEADERS.queue]: 'blockmill.monitor' }
    expect(read(taskMessage([1]), headers)).toMatchObject({ reason: 'not_recordable', tasks: [] })
  })

  it.each([
    ['no headers and no type', { type: undefined as unknown as string, body: Buffer.from([0, 255]) }, {}],
    ['a broken task message', { type: 'blockmill.task.v1', body: Buffer.from('{"v":1') }, {}],
    ['headers of any kind', eventMessage([succeeded(1)]), { [DEAD_HEADERS.reason]: 7, nested: { nul: '\0' } }],
  ])('is stored whatever it is: %s', (_, message, headers) => {
    expect(read(message, headers)).toMatchObject({ reason: 'unknown', tasks: [], body: message.body })
  })

  it('is the same one when it is delivered again, and another for another reason', () => {
    const again = { 'x-first-death-reason': 'delivery_limit', 'x-death': [{ count: 7 }] }
    const first = read(taskMessage([1]), { 'x-first-death-reason': 'delivery_limit' })
    expect(read(taskMessage([1]), again).id).toBe(first.id)
    expect(read(taskMessage([1]), { 'x-first-death-reason': 'rejected' }).id).not.toBe(first.id)
    expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})

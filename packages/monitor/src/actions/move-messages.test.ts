import type { Broker } from '@blockmill/core'
import { expect, it } from 'vitest'

import { createFakeBroker } from '../../test/fake-broker.ts'
import { taskMessage } from '../../test/message-arbitraries.ts'
import { moveMessages } from './move-messages.ts'

it('moves also what the broker has given out and is still on its way when the queue is empty', async () => {
  const fake = createFakeBroker()
  const source = fake.topology.workQueue('from', 'low')
  const onTheirWay = [1, 2].map((block) => taskMessage([block], { queue: 'from', lane: 'low' }))
  const depths = [onTheirWay.length]
  const broker: Pick<Broker, 'topology' | 'publisher' | 'declare' | 'consume' | 'depth'> = {
    topology: fake.topology,
    publisher: fake.publisher,
    declare: () => Promise.resolve(),
    depth: () => Promise.resolve({ messages: depths.shift() ?? 0, consumers: 1 }),
    consume: async (options) => ({
      ...(await fake.consume(options)),
      pause: async () => void fake.deliver(source, onTheirWay.splice(0)),
    }),
  }
  const move = { queue: 'from', lanes: ['low'], to: 'to' } as const
  const steps = await Array.fromAsync(moveMessages({ broker, now: () => new Date() }, move))
  expect(steps.flat()).toHaveLength(2)
  expect(fake.published.map(({ message }) => message.routingKey)).toEqual(['task.to.low', 'task.to.low'])
})

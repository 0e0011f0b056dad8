import { expect, it } from 'vitest'

import { type Broker, MessageRefusedError } from '@blockmill/core'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients } from './broker-clients.ts'

const client = brokerClients(testBroker())

/** Publishes one marker; true when the queue took it. */
async function take({ publisher }: Broker, queue: string): Promise<boolean> {
  try {
    const body = Buffer.from('{}')
    await publisher.publish({ exchange: '', routingKey: queue, type: 'test', body, mandatory: true, once: true })
    return true
  } catch (error) {
    if (error instanceof MessageRefusedError) return false
    throw error
  }
}

async function startClients(count: number): Promise<[Broker, ...Broker[]]> {
  const brokers = Array.from({ length: count }, () => client().broker)
  await Promise.all(brokers.map((broker) => broker.start()))
  return brokers as [Broker, ...Broker[]]
}

it('takes exactly as many messages as its limit, however many clients publish how many at once', async () => {
  const brokers = await startClients(4)
  const limited = { kind: 'task', name: 'exact' } as const
  const limit = { limit: 10, perMs: 60_000 }
  const { topology } = brokers[0]
  await Promise.all(brokers.map((broker) => broker.declare(topology.rate(limited, limit))))
  const taken = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      take(brokers[index % brokers.length] as Broker, topology.rateQueue(limited, limit)),
    ),
  )
  expect(taken.filter(Boolean)).toHaveLength(10)
})

it('lets each go when its window is over, and no sooner', async () => {
  const [broker] = await startClients(1)
  const limited = { kind: 'queue', name: 'window' } as const
  const limit = { limit: 2, perMs: 300 }
  await broker.declare(broker.topology.rate(limited, limit))
  const queue = broker.topology.rateQueue(limited, limit)
  const asked: number[] = []
  const answered: number[] = []
  while (answered.length < 8) {
    const askedAt = performance.now()
    if (!(await take(broker, queue))) continue
    asked.push(askedAt)
    answered.push(performance.now())
  }
  for (const [index, askedAt] of asked.slice(0, -2).entries()) {
    // From before the first was counted until after the third was: at least a window lies between.
    expect((answered[index + 2] as number) - askedAt).toBeGreaterThanOrEqual(299)
  }
})

it('tells a refusal from a queue that is not there', async () => {
  const [broker] = await startClients(1)
  await expect(
    take(broker, broker.topology.rateQueue({ kind: 'task', name: 'none' }, { limit: 1, perMs: 10 })),
  ).rejects.toThrow('unroutable')
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { type Broker, createTopology, MessageRefusedError } from '@blockmill/core'
import { startBroker, type Broker as TestService, waitFor } from '@blockmill/testkit'

import { brokerClients, ids, taskTo } from './broker-clients.ts'

/** A broker of its own: it is killed, restarted and starved of memory, which other files must not notice. */
let service: TestService
beforeAll(async () => {
  service = await startBroker({ environment: { ...process.env, RABBITMQ_URL: undefined } })
})
afterAll(async () => {
  await service?.stop()
})

const client = brokerClients({ url: '', namespace: 'restart' })

async function startClient(): Promise<ReturnType<typeof client>> {
  const made = client({ url: service.url, topology: createTopology({ namespace: 'restart' }) })
  await made.broker.start()
  return made
}

/** Publishes all the time until told to stop; returns the ids that were confirmed. */
function keepPublishing(broker: Broker, queue: string): { end: () => Promise<Set<string>>; confirmed: Set<string> } {
  const confirmed = new Set<string>()
  const state = { isEnding: false }
  const running = (async () => {
    const publishing: Promise<unknown>[] = []
    for (let index = 0; !state.isEnding; index += 1) {
      await broker.publisher.drained()
      const id = `${queue}${index}`
      publishing.push(broker.publisher.publish(taskTo(broker, queue, id)).then(() => confirmed.add(id)))
      // Lets the network have its turn.
      if (index % 50 === 0) await new Promise(setImmediate)
    }
    await Promise.all(publishing)
    return confirmed
  })()
  return {
    confirmed,
    end() {
      state.isEnding = true
      return running
    },
  }
}

describe('a broker client whose broker fails', () => {
  it('listens again after a restart, to whatever is said from then on', async () => {
    const { broker } = await startClient()
    const heard: string[] = []
    let timesListening = 0
    const { control: exchange } = broker.topology.exchanges
    await broker.listen({
      exchange,
      onMessage: ({ body }) => heard.push(body.toString()),
      onListening: () => (timesListening += 1),
    })
    await service.restart()
    await waitFor(() => timesListening >= 2, { describe: 'listening again', timeoutMs: 60_000 })
    await broker.publisher.publish({ exchange, routingKey: '', type: 'test', body: Buffer.from('after the restart') })
    await waitFor(() => heard.includes('after the restart'), { describe: 'the message' })
  })

  it.each([
    ['restarted', () => service.restart()],
    [
      'killed',
      async () => {
        await service.kill()
        await service.restart()
      },
    ],
  ])('loses nothing when the broker is %s under load', async (how, fail) => {
    const { broker, log } = await startClient()
    await broker.declare(broker.topology.work(how))
    const received = new Set<string>()
    let lost = 0
    await broker.consume({
      queue: broker.topology.workQueue(how, 'normal'),
      prefetch: 200,
      onDelivery(delivery) {
        received.add(delivery.body.toString())
        delivery.ack()
      },
      onLost: () => (lost += 1),
    })
    const load = keepPublishing(broker, how)
    await waitFor(() => load.confirmed.size > 500, { describe: 'some load' })
    await fail()
    const before = load.confirmed.size
    await waitFor(() => load.confirmed.size > before + 500, { describe: 'load after it', timeoutMs: 60_000 })
    const confirmed = await load.end()
    await waitFor(() => received.size >= confirmed.size, { describe: 'all that was confirmed', timeoutMs: 60_000 })
    expect([...confirmed].filter((id) => !received.has(id))).toEqual([])
    expect(lost).toBeGreaterThan(0)
    expect(log.some(({ msg }) => msg === 'Broker connection lost; connecting again')).toBe(true)
    expect(broker.isReady()).toBe(true)
  })

  it('still counts, after the broker was killed, the starts that a rate limit had allowed before', async () => {
    const { broker } = await startClient()
    const limited = { kind: 'task', name: 'limited' } as const
    const limit = { limit: 3, perMs: 600_000 }
    const routingKey = broker.topology.rateQueue(limited, limit)
    const take = () =>
      broker.publisher.publish({ exchange: '', routingKey, type: 'test', body: Buffer.from('{}'), once: true })
    await broker.declare(broker.topology.rate(limited, limit))
    await Promise.all([take(), take(), take()])
    await expect(take()).rejects.toBeInstanceOf(MessageRefusedError)
    await service.kill()
    await service.restart()
    await waitFor(() => broker.isReady(), { describe: 'the client to be back', timeoutMs: 60_000 })
    await expect(take()).rejects.toBeInstanceOf(MessageRefusedError)
  })

  it('pauses publishing while the broker is short of memory, is not ready then, and goes on afterwards', async () => {
    const { broker, log } = await startClient()
    await broker.declare(broker.topology.work('blocked'))
    await service.ctl('set_vm_memory_high_watermark', 'absolute', '1MB')
    // The broker tells a connection of an alarm when that tries to publish.
    const first = broker.publisher.publish(taskTo(broker, 'blocked', 'a'))
    await waitFor(() => log.some(({ msg }) => msg === 'Broker blocked publishing'), { describe: 'the alarm' })
    expect(broker.isReady()).toBe(false)
    const others = ids('blocked', 2_000).map((id) => broker.publisher.publish(taskTo(broker, 'blocked', id)))
    expect(broker.publisher.pending).toBe(2_001)
    // Consuming goes on meanwhile.
    expect(await broker.depth(broker.topology.workQueue('blocked', 'normal'))).toEqual({ messages: 0, consumers: 0 })

    await service.ctl('set_vm_memory_high_watermark', '0.4')
    await Promise.all([first, ...others])
    expect(broker.isReady()).toBe(true)
    await expect
      .poll(() => broker.depth(broker.topology.workQueue('blocked', 'normal')))
      .toEqual({ messages: 2_001, consumers: 0 })
  })
})

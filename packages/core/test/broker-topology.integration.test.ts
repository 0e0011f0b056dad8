import { describe, expect, it } from 'vitest'

import { type Broker, createTopology, DELIVERY_LIMIT, type Delivery } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, onChannel, taskTo, tcpProxies } from './broker-clients.ts'

const shared = testBroker()
const startProxy = tcpProxies(shared.url)
const client = brokerClients(shared)

async function next(broker: Broker, queue: string): Promise<Delivery> {
  const delivered = Promise.withResolvers<Delivery>()
  await broker.consume({ queue, prefetch: 10, onDelivery: delivered.resolve })
  return await delivered.promise
}

describe('the topology', () => {
  it('sends a task to its work queue and to the monitor', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('both'))
    await broker.publisher.publish(taskTo(broker, 'both', 'a'))
    const [work, monitor] = await Promise.all([
      next(broker, broker.topology.workQueue('both', 'normal')),
      next(broker, broker.topology.monitorQueue),
    ])
    expect([work.messageId, monitor.messageId]).toEqual(['a', 'a'])
    work.ack()
    monitor.ack()
  })

  it('sends a task past the monitor, and parks it when it has no work queue', async () => {
    const { broker } = client()
    const { topology, publisher } = broker
    await broker.start()
    await broker.declare(topology.work('past'))
    const monitored = (await broker.depth(topology.monitorQueue))?.messages
    const send = (queue: string) =>
      publisher.publish({ ...taskTo(broker, queue, queue), exchange: topology.exchanges.work })
    await Promise.all([send('past'), send('nowhere')])
    const [work, parked] = await Promise.all([
      next(broker, topology.workQueue('past', 'normal')),
      next(broker, topology.parkedQueue),
    ])
    expect([work.messageId, parked.messageId]).toEqual(['past', 'nowhere'])
    work.ack()
    parked.ack()
    expect((await broker.depth(topology.monitorQueue))?.messages).toBe(monitored)
  })

  it('keeps a delayed task in the broker and brings it back to its own work queue, past the monitor', async () => {
    const { broker } = client()
    const { topology, publisher } = broker
    await broker.start()
    await broker.declare(topology.work('delayed'))
    await broker.declare(topology.delay(50))
    const monitored = (await broker.depth(topology.monitorQueue))?.messages
    const sentAt = performance.now()
    await publisher.publish({
      ...taskTo(broker, 'delayed', 'later'),
      exchange: topology.exchanges.delay,
      routingKey: topology.delayKey(50, 'delayed', 'low'),
      mandatory: true,
    })
    const delivery = await next(broker, topology.workQueue('delayed', 'low'))
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(49)
    expect(delivery).toMatchObject({
      messageId: 'later',
      exchange: topology.exchanges.redeliver,
      routingKey: 'd50.delayed.low',
    })
    delivery.ack()
    expect((await broker.depth(topology.monitorQueue))?.messages).toBe(monitored)
    expect(await broker.depth(topology.parkedQueue)).toMatchObject({ messages: 0 })
  })

  it('parks a delayed task whose work queue is gone, instead of dropping it', async () => {
    const { broker } = client()
    const { topology, publisher } = broker
    await broker.start()
    await broker.declare(topology.delay(50))
    await publisher.publish({
      ...taskTo(broker, 'gone', 'orphan'),
      exchange: topology.exchanges.delay,
      routingKey: topology.delayKey(50, 'gone', 'normal'),
      mandatory: true,
    })
    const parked = await next(broker, topology.parkedQueue)
    expect(parked).toMatchObject({ messageId: 'orphan', routingKey: 'd50.gone.normal' })
    parked.ack()
  })

  it('sends to the dead queue what is rejected, and what was given out too often', async () => {
    const { broker } = client()
    const { topology, publisher } = broker
    await broker.start()
    await broker.declare(topology.work('deadly'))
    await publisher.publish(taskTo(broker, 'deadly', 'rejected'))
    await publisher.publish(taskTo(broker, 'deadly', 'poison'))
    const counts: number[] = []
    await broker.consume({
      queue: topology.workQueue('deadly', 'normal'),
      prefetch: 1,
      onDelivery(delivery) {
        if (delivery.messageId === 'rejected') {
          delivery.reject()
        } else {
          counts.push(delivery.deliveryCount)
          delivery.requeue()
        }
      },
    })
    const dead: Delivery[] = []
    await broker.consume({ queue: topology.deadQueue, prefetch: 10, onDelivery: (delivery) => dead.push(delivery) })
    await waitFor(() => dead.length === 2, { describe: 'both messages on the dead queue' })
    expect(dead.map(({ messageId, headers }) => [messageId, headers['x-first-death-reason']])).toEqual([
      ['rejected', 'rejected'],
      ['poison', 'delivery_limit'],
    ])
    expect(counts).toEqual(Array.from({ length: DELIVERY_LIMIT + 1 }, (_, count) => count))
    for (const delivery of dead) delivery.ack()
  })

  it('is declared again after a reconnect, with everything that was declared later', async () => {
    const proxy = await startProxy()
    const { broker } = client({ url: proxy.url })
    const { topology } = broker
    await broker.start()
    await broker.declare(topology.work('again'))
    await broker.declare(topology.delay(61_000))
    const queues = [topology.workQueue('again', 'high'), topology.delayQueue(61_000)]
    await onChannel(shared.url, async (channel) => {
      for (const queue of queues) await channel.deleteQueue(queue)
    })
    expect(await broker.depth(topology.delayQueue(61_000))).toBeUndefined()

    proxy.cut()
    await waitFor(() => !broker.isReady(), { describe: 'the loss to be seen', intervalMs: 1 })
    await waitFor(() => broker.isReady(), { describe: 'the client to be back' })
    for (const queue of queues) expect(await broker.depth(queue)).toEqual({ messages: 0, consumers: 0 })
  })

  it('waits with a declaration until there is a connection', async () => {
    const proxy = await startProxy()
    const { broker } = client({ url: proxy.url })
    await broker.start()
    proxy.refuse()
    proxy.cut()
    await waitFor(() => !broker.isReady(), { describe: 'the loss to be seen' })
    const declared = broker.declare(broker.topology.work('patient'))
    await expect(broker.depth(broker.topology.monitorQueue)).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    await proxy.accept()
    await declared
    expect(await broker.depth(broker.topology.workQueue('patient', 'low'))).toEqual({ messages: 0, consumers: 0 })

    proxy.refuse()
    proxy.cut()
    await waitFor(() => !broker.isReady(), { describe: 'the loss to be seen' })
    const never = expect(broker.declare(broker.topology.work('never'))).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
    })
    await broker.stop()
    await never
  })

  it('refuses to start when a queue exists with other arguments, and names it', async () => {
    const topology = createTopology({ namespace: `${shared.namespace}-taken` })
    await onChannel(shared.url, (channel) => channel.assertQueue(topology.deadQueue, { durable: true }))
    const { broker } = client({ topology })
    try {
      await expect(broker.start()).rejects.toMatchObject({
        code: 'BROKER_TOPOLOGY_MISMATCH',
        kind: 'configuration',
        message: expect.stringMatching(new RegExp(`queue "${topology.deadQueue}" .*another namespace`)),
      })
      expect(broker.isReady()).toBe(false)
      await broker.stop()
    } finally {
      await onChannel(shared.url, async (channel) => {
        for (const queue of [topology.deadQueue, topology.monitorQueue, topology.parkedQueue]) {
          await channel.deleteQueue(queue)
        }
        for (const exchange of Object.values(topology.exchanges)) await channel.deleteExchange(exchange)
      })
    }
  })

  it('refuses a later declaration that does not fit, and forgets it', async () => {
    const proxy = await startProxy()
    const { broker } = client({ url: proxy.url })
    const { topology } = broker
    await broker.start()
    const queue = topology.workQueue('taken', 'normal')
    await onChannel(shared.url, (channel) => channel.assertQueue(queue, { durable: true }))
    const mismatch = { code: 'BROKER_TOPOLOGY_MISMATCH', message: expect.stringContaining(`queue "${queue}"`) }
    await expect(broker.declare(topology.work('taken'))).rejects.toMatchObject(mismatch)
    await expect(broker.declare(topology.work('taken'))).rejects.toMatchObject(mismatch)
    await broker.declare(topology.work('free'))

    proxy.cut()
    await waitFor(() => !broker.isReady(), { describe: 'the loss to be seen', intervalMs: 1 })
    await waitFor(() => broker.isReady(), { describe: 'the client to be back' })
    await onChannel(shared.url, (channel) => channel.deleteQueue(queue))
    await broker.declare(topology.work('taken'))
    await broker.stop()
  })

  it('knows the depth of a queue, and that a queue does not exist', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('deep'))
    await Promise.all(['a', 'b'].map((id) => broker.publisher.publish(taskTo(broker, 'deep', id))))
    expect(await broker.depth(broker.topology.workQueue('deep', 'normal'))).toEqual({ messages: 2, consumers: 0 })
    const missing = Array.from({ length: 20 }, () => broker.depth(`${shared.namespace}.missing`))
    expect(new Set(await Promise.all(missing))).toEqual(new Set([undefined]))
    expect(broker.isReady()).toBe(true)
  })
})

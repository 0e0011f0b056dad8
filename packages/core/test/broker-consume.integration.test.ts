import { describe, expect, it } from 'vitest'

import type { Broker, ConsumeOptions, Delivery, Subscription } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, ids, onChannel, taskTo, tcpProxies } from './broker-clients.ts'

const shared = testBroker()
const startProxy = tcpProxies(shared.url)
const client = brokerClients(shared)

/** Bodies of deliveries. */
const bodies = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ body }) => body.toString())

/** Keeps every delivery and settles none. */
async function collect(
  broker: Broker,
  queue: string,
  options: Partial<ConsumeOptions> = {},
): Promise<{ deliveries: Delivery[]; lost: () => number; subscription: Subscription }> {
  const deliveries: Delivery[] = []
  let lost = 0
  const subscription = await broker.consume({
    queue: broker.topology.workQueue(queue, 'normal'),
    prefetch: 100,
    onDelivery: (delivery) => deliveries.push(delivery),
    onLost: () => (lost += 1),
    ...options,
  })
  return { deliveries, lost: () => lost, subscription }
}

/** A started client whose queue holds these messages. */
async function withMessages(queue: string, messages: readonly string[]): Promise<Broker> {
  const { broker } = client()
  await broker.start()
  await broker.declare(broker.topology.work(queue))
  await Promise.all(messages.map((id) => broker.publisher.publish(taskTo(broker, queue, id))))
  return broker
}

async function depthOf(broker: Broker, queue: string): Promise<number> {
  return (await broker.depth(broker.topology.workQueue(queue, 'normal')))?.messages ?? -1
}

describe('a subscription', () => {
  it('gives back to the queue what was not acked when it closes, and nothing that was', async () => {
    const sent = ids('a', 10)
    const broker = await withMessages('given-back', sent)
    const first = await collect(broker, 'given-back')
    await waitFor(() => first.deliveries.length === 10, { describe: 'all deliveries' })
    for (const index of [9, 0, 1, 5]) first.deliveries[index]?.ack()
    await first.subscription.close()
    await first.subscription.close()
    expect(first.lost()).toBe(0)
    expect(first.deliveries.every((delivery) => !delivery.isLive())).toBe(true)

    const second = await collect(broker, 'given-back')
    await waitFor(() => second.deliveries.length === 6, { describe: 'the rest' })
    expect(bodies(second.deliveries).toSorted()).toEqual(['a2', 'a3', 'a4', 'a6', 'a7', 'a8'])
    expect(second.deliveries.every(({ redelivered, deliveryCount }) => redelivered && deliveryCount === 1)).toBe(true)
    second.deliveries.at(-1)?.ackUpTo()
    await second.subscription.close()
    const third = await collect(broker, 'given-back')
    await broker.publisher.publish(taskTo(broker, 'given-back', 'only one left'))
    await waitFor(() => third.deliveries.length > 0, { describe: 'a delivery' })
    expect(bodies(third.deliveries)).toEqual(['only one left'])
  })

  it('counts only the first settlement of a delivery, and lives on after a second one', async () => {
    const broker = await withMessages('settled-twice', ids('a', 4))
    const { deliveries, lost } = await collect(broker, 'settled-twice')
    await waitFor(() => deliveries.length === 4, { describe: 'all deliveries' })
    const [a, b, c, d] = deliveries as [Delivery, Delivery, Delivery, Delivery]
    a.ack()
    a.ack()
    a.requeue()
    b.reject()
    b.ack()
    b.ackUpTo()
    c.requeue()
    c.reject()
    d.ackUpTo()
    d.ack()
    await waitFor(() => deliveries.length === 5, { describe: 'the one that was given back' })
    expect(deliveries[4]).toMatchObject({ messageId: 'a2', deliveryCount: 1 })
    deliveries[4]?.ack()
    await broker.publisher.publish(taskTo(broker, 'settled-twice', 'later'))
    await waitFor(() => deliveries.length === 6, { describe: 'a message that comes later' })
    expect(lost()).toBe(0)
  })

  it('holds no more than its prefetch unsettled, and takes another prefetch at once', async () => {
    const broker = await withMessages('prefetch', ids('a', 50))
    const { deliveries, subscription } = await collect(broker, 'prefetch', { prefetch: 5 })
    await waitFor(async () => deliveries.length === 5 && (await depthOf(broker, 'prefetch')) === 45, {
      describe: 'five deliveries',
    })
    deliveries[4]?.ackUpTo()
    await waitFor(() => deliveries.length === 10, { describe: 'five more' })

    await subscription.setPrefetch(20)
    await waitFor(() => deliveries.length === 30, { describe: 'twenty on top of those the old consumer holds' })
    expect(await depthOf(broker, 'prefetch')).toBe(20)
    deliveries.at(-1)?.ackUpTo()
    await waitFor(() => deliveries.length === 50, { describe: 'the rest' })
  })

  it('stops deliveries while paused, lets what it has be settled, and goes on when resumed', async () => {
    const broker = await withMessages('paused', ['a'])
    const { deliveries, subscription, lost } = await collect(broker, 'paused')
    await waitFor(() => deliveries.length === 1, { describe: 'the first delivery' })
    await subscription.pause()
    await subscription.pause()
    await broker.publisher.publish(taskTo(broker, 'paused', 'b'))
    expect(await depthOf(broker, 'paused')).toBe(1)
    expect(deliveries[0]?.isLive()).toBe(true)
    deliveries[0]?.ack()

    await subscription.resume()
    await subscription.resume()
    await waitFor(() => deliveries.length === 2, { describe: 'the second delivery' })
    expect(bodies(deliveries)).toEqual(['a', 'b'])
    expect(lost()).toBe(0)
    await subscription.close()
    await Promise.all([subscription.resume(), subscription.pause(), subscription.setPrefetch(5)])
    await waitFor(async () => (await depthOf(broker, 'paused')) === 1, { describe: 'the unsettled one on the queue' })
  })

  it('consumes again after its queue was deleted, and says that its deliveries are lost', async () => {
    const broker = await withMessages('deleted', ids('a', 3))
    const { deliveries, lost } = await collect(broker, 'deleted')
    await waitFor(() => deliveries.length === 3, { describe: 'all deliveries' })
    const queue = broker.topology.workQueue('deleted', 'normal')
    for (let round = 1; round <= 2; round += 1) {
      await onChannel(shared.url, (channel) => channel.deleteQueue(queue))
      await waitFor(() => lost() === round, { describe: 'the loss to be told' })
      expect(deliveries.at(-1)?.isLive()).toBe(false)
      deliveries.at(-1)?.ack()
      await waitFor(async () => (await broker.depth(queue))?.consumers === 1, { describe: 'a new consumer' })
      await broker.publisher.publish(taskTo(broker, 'deleted', `after ${round}`))
      await waitFor(() => deliveries.at(-1)?.messageId === `after ${round}`, { describe: 'a delivery' })
    }
  })

  it('never acks a delivery of a lost connection on the next one', async () => {
    const proxy = await startProxy()
    const { broker } = client({ url: proxy.url })
    await broker.start()
    await broker.declare(broker.topology.work('stale'))
    await Promise.all(ids('a', 5).map((id) => broker.publisher.publish(taskTo(broker, 'stale', id))))
    const { deliveries, lost } = await collect(broker, 'stale')
    await waitFor(() => deliveries.length === 5, { describe: 'all deliveries' })
    const stale = deliveries.splice(0)

    proxy.cut()
    await waitFor(() => lost() === 1 && deliveries.length === 5, { describe: 'the same messages again' })
    for (const delivery of stale) {
      expect(delivery.isLive()).toBe(false)
      delivery.ack()
      delivery.ackUpTo()
      delivery.reject()
    }
    expect(deliveries.every((delivery) => delivery.redelivered && delivery.isLive())).toBe(true)
    await broker.stop()
    const { broker: witness } = client()
    await witness.start()
    const queue = witness.topology.workQueue('stale', 'normal')
    await expect.poll(() => witness.depth(queue)).toEqual({ messages: 5, consumers: 0 })
  })

  it('sends the acks that follow the last confirms before it stops', async () => {
    const broker = await withMessages('last-acks', ids('a', 20))
    const { deliveries } = await collect(broker, 'last-acks')
    await waitFor(() => deliveries.length === 20, { describe: 'all deliveries' })
    for (const delivery of deliveries) {
      void broker.publisher.publish(taskTo(broker, 'elsewhere', 'follow-up')).then(() => delivery.ack())
    }
    await broker.stop()
    const { broker: witness } = client()
    await witness.start()
    // What was not acked is back when the consumer is gone.
    const queue = witness.topology.workQueue('last-acks', 'normal')
    await expect.poll(() => witness.depth(queue)).toEqual({ messages: 0, consumers: 0 })
  })

  it('gives a message back when its handler throws, and goes on with the next', async () => {
    const broker = await withMessages('throwing', ['a', 'b'])
    const counts: string[] = []
    await collect(broker, 'throwing', {
      onDelivery(delivery) {
        counts.push(`${delivery.messageId} ${delivery.deliveryCount}`)
        if (delivery.deliveryCount === 0) throw new Error('a bug')
        delivery.ack()
      },
    })
    await waitFor(() => counts.length === 4, { describe: 'both messages twice' })
    expect(counts.toSorted()).toEqual(['a 0', 'a 1', 'b 0', 'b 1'])
  })

  it.each([0, -1, 1.5, 65_536, Number.NaN])('refuses a prefetch of %d', async (prefetch) => {
    const broker = await withMessages('refused-prefetch', [])
    const refusal = { code: 'CONFIG_INVALID', message: expect.stringContaining(`prefetch is ${prefetch}`) }
    await expect(collect(broker, 'refused-prefetch', { prefetch })).rejects.toMatchObject(refusal)
    const { subscription } = await collect(broker, 'refused-prefetch')
    await expect(subscription.setPrefetch(prefetch)).rejects.toMatchObject(refusal)
  })

  it('begins as soon as its queue exists', async () => {
    const { broker, log } = client()
    await broker.start()
    const consuming = collect(broker, 'not-yet')
    await waitFor(() => log.some(({ reason }) => reason?.includes('NOT_FOUND')), { describe: 'a first failure' })
    await broker.declare(broker.topology.work('not-yet'))
    const { deliveries } = await consuming
    await broker.publisher.publish(taskTo(broker, 'not-yet', 'a'))
    await waitFor(() => deliveries.length === 1, { describe: 'a delivery' })
  })

  it('ends with an error for who waits for it when the client stops before its queue exists', async () => {
    const { broker } = client()
    await broker.start()
    const consuming = collect(broker, 'never')
    const refused = expect(consuming).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    await broker.stop()
    await refused
    await expect(collect(broker, 'never')).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
  })
})

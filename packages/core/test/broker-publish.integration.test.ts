import { Socket } from 'node:net'

import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { createMetrics, type Declarations } from '@blockmill/core'
import { testBroker } from '@blockmill/testkit/vitest'

import { brokerClients, ids, onChannel, taskTo } from './broker-clients.ts'

const shared = testBroker()
const client = brokerClients(shared)

describe('publishing', () => {
  it('confirms thousands of messages published at once, and delivers them once and in order', async () => {
    const { broker } = client({ window: 100 })
    await broker.start()
    await broker.declare(broker.topology.work('many'))
    const sent = ids('many', 3_000)
    await Promise.all(sent.map((id) => broker.publisher.publish(taskTo(broker, 'many', id))))
    expect(broker.publisher.pending).toBe(0)

    const received: string[] = []
    const all = Promise.withResolvers<void>()
    await broker.consume({
      queue: broker.topology.workQueue('many', 'normal'),
      prefetch: 500,
      onDelivery(delivery) {
        received.push(delivery.body.toString())
        delivery.ack()
        if (received.length === sent.length) all.resolve()
      },
    })
    await all.promise
    expect(received).toEqual(sent)
  })

  it('gives messages that are published together to the system together', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('together'))
    const writes = [vi.spyOn(Socket.prototype, '_write'), vi.spyOn(Socket.prototype, '_writev' as '_write')]
    onTestFinished(() => void vi.restoreAllMocks())
    await Promise.all(ids('together', 100).map((id) => broker.publisher.publish(taskTo(broker, 'together', id))))
    expect(writes.flatMap(({ mock }) => mock.calls).length).toBeLessThan(20)
  })

  it('carries bodies of many frames, headers and properties unchanged', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('large'))
    const body = Buffer.alloc(1_000_000, 'block')
    const delivered = Promise.withResolvers<unknown>()
    await broker.consume({
      queue: broker.topology.workQueue('large', 'normal'),
      prefetch: 1,
      onDelivery(delivery) {
        delivery.ack()
        const { type, messageId, exchange, routingKey, headers, redelivered, deliveryCount, queue } = delivery
        const isSame = delivery.body.equals(body)
        delivered.resolve({ type, messageId, exchange, routingKey, headers, redelivered, deliveryCount, queue, isSame })
      },
    })
    await broker.publisher.publish({
      ...taskTo(broker, 'large', 'id'),
      body,
      headers: { 'x-number': 7, 'x-text': 'ü' },
    })
    expect(await delivered.promise).toEqual({
      type: 'test',
      messageId: 'id',
      exchange: broker.topology.exchanges.tasks,
      routingKey: 'task.large.normal',
      headers: { 'x-number': 7, 'x-text': 'ü' },
      redelivered: false,
      deliveryCount: 0,
      queue: broker.topology.workQueue('large', 'normal'),
      isSame: true,
    })
  })

  it('publishes after the start what was published before it', async () => {
    const { broker } = client()
    await broker.declare(broker.topology.work('early'))
    const published = broker.publisher.publish(taskTo(broker, 'early', 'a'))
    expect(broker.publisher.pending).toBe(1)
    await broker.start()
    await published
    expect(await broker.depth(broker.topology.workQueue('early', 'normal'))).toEqual({ messages: 1, consumers: 0 })
  })

  it('rejects a mandatory message that no queue takes, and no other', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.delay(60_000))
    const { topology } = broker
    const toDelay = (delayMs: number, id: string) => ({
      ...taskTo(broker, 'any', id),
      exchange: topology.exchanges.delay,
      routingKey: topology.delayKey(delayMs, 'any', 'low'),
      mandatory: true,
    })
    const outcomes = await Promise.allSettled(
      ids('m', 300).map((id, index) => broker.publisher.publish(toDelay(index % 3 === 0 ? 12_345 : 60_000, id))),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(
      outcomes.map((_, index) => (index % 3 === 0 ? 'rejected' : 'fulfilled')),
    )
    expect(outcomes[0]).toMatchObject({
      reason: { code: 'BROKER_PUBLISH_FAILED', message: expect.stringContaining('d12345.any.low') },
    })
    expect(broker.publisher.pending).toBe(0)
  })

  it('rejects the message whose exchange does not exist, and confirms those published with it', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('beside'))
    const missing = broker.publisher.publish({
      ...taskTo(broker, 'beside', 'lost'),
      exchange: `${shared.namespace}.nope`,
    })
    const beside = ids('beside', 20).map((id) => broker.publisher.publish(taskTo(broker, 'beside', id)))
    await expect(missing).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
      message: expect.stringContaining('no exchange'),
    })
    await Promise.all(beside)
    expect(broker.publisher.pending).toBe(0)
  })

  it('rejects a message that a full queue goes on refusing, and publishes it when there is room again', async () => {
    const { broker } = client()
    await broker.start()
    const queue = `${shared.namespace}.full`
    const full: Declarations = {
      exchanges: [],
      queues: [
        {
          name: queue,
          arguments: { 'x-queue-type': 'quorum', 'x-max-length': 1, 'x-overflow': 'reject-publish' },
        },
      ],
      bindings: [{ queue, exchange: broker.topology.exchanges.redeliver, pattern: 'full' }],
    }
    await broker.declare(full)
    const toFull = (id: string) => ({
      ...taskTo(broker, 'any', id),
      exchange: broker.topology.exchanges.redeliver,
      routingKey: 'full',
    })
    // The broker takes some of what is on its way when the queue becomes full, and refuses what comes later.
    await Promise.allSettled(ids('full', 3).map((id) => broker.publisher.publish(toFull(id))))
    await expect(broker.publisher.publish(toFull('too much'))).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
      message: expect.stringContaining('refused'),
    })

    const late = broker.publisher.publish(toFull('late'))
    await onChannel(shared.url, (channel) => channel.purgeQueue(queue))
    await late
  })

  it('counts what it confirmed and what failed, and whether it is connected', async () => {
    const metrics = createMetrics('test')
    const { broker } = client({ metrics })
    const read = async (): Promise<Record<string, number>> => {
      const all = await metrics.getMetricsAsJSON()
      const ours = all.filter(({ name }) => name.startsWith('blockmill_broker_'))
      return Object.fromEntries(
        ours.flatMap(({ name, values }) =>
          values.map(({ labels, value }) => [[name, labels['role']].join(' '), value]),
        ),
      )
    }
    expect(await read()).toMatchObject({ 'blockmill_broker_connected publish': 0 })
    await broker.start()
    await broker.publisher.publish(taskTo(broker, 'counted', 'a'))
    const unroutable = { ...taskTo(broker, 'counted', 'b'), exchange: broker.topology.exchanges.delay, mandatory: true }
    await expect(broker.publisher.publish(unroutable)).rejects.toThrow('unroutable')
    expect(await read()).toEqual({
      'blockmill_broker_connected consume': 1,
      'blockmill_broker_connected publish': 1,
      'blockmill_broker_reconnects_total consume': 0,
      'blockmill_broker_reconnects_total publish': 0,
      'blockmill_broker_blocked ': 0,
      'blockmill_broker_published_total ': 1,
      'blockmill_broker_publish_failures_total ': 1,
      'blockmill_broker_unconfirmed ': 0,
    })
  })

  it('waits at the stop until everything is confirmed', async () => {
    const { broker } = client()
    await broker.start()
    await broker.declare(broker.topology.work('last'))
    const published = ids('last', 500).map((id) => broker.publisher.publish(taskTo(broker, 'last', id)))
    await broker.stop()
    await Promise.all(published)
    await broker.stop()
    expect(broker.isReady()).toBe(false)
    await expect(broker.publisher.publish(taskTo(broker, 'last', 'late'))).rejects.toThrow('stopped')
  })
})

import {
  type Broker,
  createBroker,
  createSilentLogger,
  createTopology,
  type Lane,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { cancelWaiting } from '../src/actions/cancel-waiting.ts'
import { moveMessages } from '../src/actions/move-messages.ts'
import { eventBase, eventMessage, idOfBlock, type Message, taskMessage } from './message-arbitraries.ts'
import { testApi } from './test-api.ts'

const rabbit = testBroker()
const topology = createTopology({ namespace: rabbit.namespace })
const now = () => new Date('2026-01-01T00:10:00.000Z')

let broker: Broker

beforeAll(async () => {
  broker = await connect()
  for (const queue of ['from', 'to', 'purged']) await broker.declare(topology.work(queue))
})
afterAll(() => broker.stop())

const api = testApi(() => ({ broker, now }))
const { call, ended, record } = api

beforeEach(async () => {
  await broker.purge(topology.monitorQueue)
})

async function connect(): Promise<Broker> {
  const logger = createSilentLogger()
  const one = createBroker({ url: rabbit.url, topology, logger, connectionName: 'queue-messages-test' })
  await one.start()
  return one
}

/** Puts a message into a lane alone: what the monitor hears of it is what the test records. */
async function put({ type, body }: Message, queue: string, lane: Lane): Promise<void> {
  const { redeliver } = topology.exchanges
  await broker.publisher.publish({ exchange: redeliver, routingKey: topology.taskKey(queue, lane), type, body })
}

async function waiting(queue: string, lane: Lane): Promise<number | undefined> {
  return (await broker.depth(topology.workQueue(queue, lane)))?.messages
}

/** Takes everything that is ready in a queue. */
async function take(queue: string, count: number): Promise<Message[]> {
  const taken: Message[] = []
  const subscription = await broker.consume({
    queue,
    prefetch: 1_000,
    onDelivery(delivery) {
      taken.push({ type: delivery.type ?? '', body: delivery.body })
      delivery.ack()
    },
  })
  await expect.poll(() => taken.length).toBe(count)
  await subscription.close()
  return taken
}

const blocks = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)

describe('POST /api/v1/queues/:name/move', () => {
  it('moves what waits in one lane, in the same lane, and the record and the message show the new queue', async () => {
    const retried = taskMessage([1, 2], { queue: 'from', lane: 'low', attempt: 2 })
    const other = taskMessage([3], { queue: 'from', lane: 'high' })
    await record(taskMessage([1, 2], { queue: 'from', lane: 'low' }))
    await put(retried, 'from', 'low')
    await put({ type: TASK_MESSAGE_TYPE, body: Buffer.from('{"v":9}') }, 'from', 'low')
    await put(other, 'from', 'high')
    await expect.poll(() => waiting('from', 'low')).toBe(2)

    const { status, body } = await call('POST', '/queues/from/move', { to: 'to', lane: 'low' })
    expect(status).toBe(202)
    expect(body).toMatchObject({ action: 'move', total: 2, createdBy: 'api 127.0.0.1' })
    expect(await ended(body)).toMatchObject({ state: 'completed', done: 2, failed: 0 })
    expect(await waiting('from', 'low')).toBe(0)
    await expect.poll(() => waiting('from', 'high')).toBe(1)

    const [moved, unreadable] = await take(topology.workQueue('to', 'low'), 2)
    const movedAt = now().getTime()
    expect(taskMessageCodec.decode(moved?.body ?? Buffer.of())).toEqual({ ...retried.message, queue: 'to', movedAt })
    expect(unreadable?.body.toString()).toBe('{"v":9}')
    // The monitor hears of what it can record, and of nothing else.
    await record(...(await take(topology.monitorQueue, 1)))
    expect(await call('GET', `/tasks/${idOfBlock(1)}`)).toMatchObject({
      body: { queue: 'to', lane: 'low', status: 'scheduled', attempt: 1, scheduledAt: '2026-01-01T00:00:00.000Z' },
    })
    expect((await call('GET', '/tasks?queue=from')).body.tasks).toEqual([])
    // Told late or again, the first message takes nothing back.
    await record(taskMessage([1, 2], { queue: 'from', lane: 'low' }))
    expect((await call('GET', '/tasks?queue=to&lane=low')).body.tasks).toHaveLength(2)
    await take(topology.workQueue('from', 'high'), 1)
  })

  it('loses nothing when the monitor dies in the middle', async () => {
    const [count, known] = [60, 20]
    for (const block of blocks(1_000, count)) await put(taskMessage([block], { queue: 'from' }), 'from', 'normal')
    await expect.poll(() => waiting('from', 'normal')).toBe(count)
    const dying = await connect()
    const dead = Promise.withResolvers<never>()
    let published = 0
    const cut = {
      ...dying.publisher,
      publish: async (message: Parameters<Broker['publisher']['publish']>[0]) => {
        published += 1
        const confirmed = broker.publisher.publish(message)
        // It dies when the broker has the message, and before it knows.
        if (published > known) await dead.promise
        return confirmed
      },
    }
    const ports = {
      topology,
      publisher: cut,
      declare: () => Promise.resolve(),
      consume: (options: Parameters<Broker['consume']>[0]) => dying.consume(options),
      depth: (queue: string) => dying.depth(queue),
    }
    const moving = Array.fromAsync(moveMessages({ broker: ports, now }, { queue: 'from', lanes: ['normal'], to: 'to' }))
    await expect.poll(() => published).toBeGreaterThan(known)
    await dying.stop()
    dead.reject(new Error('it is dead'))
    await expect(moving).rejects.toThrow('it is dead')

    await expect.poll(() => waiting('from', 'normal')).toBeGreaterThanOrEqual(count - known)
    const { body } = await call('POST', '/queues/from/move', { to: 'to' })
    expect(await ended(body)).toMatchObject({ state: 'completed' })
    await expect.poll(() => waiting('to', 'normal')).toBeGreaterThanOrEqual(count)
    const depth = (await waiting('to', 'normal')) ?? 0
    const ids = (await take(topology.workQueue('to', 'normal'), depth)).map(idOf)
    expect(new Set(ids).size).toBe(count)
  })

  it.each([
    ['/queues/from/move', { to: 'from' }, 400, 'to'],
    ['/queues/from/move', {}, 400, 'to'],
    ['/queues/from/move', { to: 'No.Name' }, 400, 'to'],
    ['/queues/from/move', { to: 'to', lane: 'middle' }, 400, 'lane'],
    ['/queues/No.Name/move', { to: 'to' }, 400, 'name'],
    ['/queues/nowhere/move', { to: 'to' }, 404, undefined],
    ['/queues/from/move', { to: 'nowhere' }, 409, undefined],
  ])('refuses %s with %j', async (path, order, expected, field) => {
    const { status, body } = await call('POST', path, order)
    expect(status).toBe(expected)
    if (field !== undefined) expect(body.errors).toContainEqual(expect.objectContaining({ field }))
    else expect(body.detail).toContain('nowhere')
  })
})

describe('POST /api/v1/queues/:name/purge?cancel=true', () => {
  it('ends the tasks that waited there, leaves others, and calls off what comes back from a delay', async () => {
    const [waits, due, delayed, running, elsewhere, later] = blocks(2_000, 6) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const lane = { queue: 'purged', lane: 'low' as const }
    const retrying = (block: number, nextAttemptAt: string) => ({
      type: 'retrying' as const,
      ...eventBase(block),
      startedAt: '2026-01-01T00:00:01.000Z',
      error: { name: 'Error', message: 'no', classes: ['Error'] },
      delayMs: 1_000,
      nextAttemptAt,
    })
    const unique = taskMessage([waits], { ...lane, generation: 5 })
    await record(
      unique,
      taskMessage([due, delayed, running], lane),
      taskMessage([elsewhere], { ...lane, lane: 'high' }),
      taskMessage([later], { ...lane, scheduledAt: '2026-01-01T00:11:00.000Z' }),
      eventMessage([retrying(due, '2026-01-01T00:05:00.000Z'), retrying(delayed, '2026-01-01T01:00:00.000Z')]),
      eventMessage([{ type: 'started', ...eventBase(running) }]),
    )
    await api.database.query(
      `insert into blockmill.unique_task (task_id, chain, name, args_hash, generation) values ($1, 'dev', 'a', 'b', 5)`,
      [idOfBlock(waits)],
    )
    await put(unique, 'purged', 'low')
    await expect.poll(() => waiting('purged', 'low')).toBe(1)

    const { status, body } = await call('POST', '/queues/purged/purge?lane=low&cancel=true')
    expect(status).toBe(200)
    expect(body).toMatchObject({ purged: 1, operation: { action: 'cancel', state: 'running', total: 3 } })
    expect(await ended(body.operation)).toMatchObject({ state: 'completed', done: 3, failed: 0 })

    const states = await Promise.all(
      [waits, due, delayed, running, elsewhere, later].map(async (block) => {
        const task = (await call('GET', `/tasks/${idOfBlock(block)}`)).body
        return [task.status, task.attempt]
      }),
    )
    expect(states).toEqual([
      ['cancelled', 1],
      ['cancelled', 2],
      ['retrying', 1],
      ['running', 1],
      ['scheduled', 1],
      ['scheduled', 1],
    ])
    const { body: task } = await call('GET', `/tasks/${idOfBlock(due)}`)
    expect(task).toMatchObject({ reason: 'queue purged was purged by api 127.0.0.1', finishedAt: now().toISOString() })
    expect(task.attempts).toMatchObject([{ outcome: 'retrying' }, { outcome: 'cancelled', attempt: 2 }])
    const requested = await api.database.query('select task_id from blockmill.cancel_request order by task_id')
    expect(requested).toEqual([waits, due, delayed].map((block) => ({ task_id: idOfBlock(block) })))
    expect(await api.database.query('select from blockmill.unique_task')).toEqual([])
  })

  it('finds also what the monitor has not recorded yet when the queue is purged', async () => {
    const message = taskMessage([3_000], { queue: 'purged' })
    await broker.publisher.publish({
      exchange: topology.exchanges.tasks,
      routingKey: topology.taskKey('purged', 'normal'),
      type: message.type,
      body: message.body,
    })
    await expect.poll(() => waiting('purged', 'normal')).toBe(1)
    const { body } = await call('POST', '/queues/purged/purge?lane=normal&cancel=true')
    expect(body.operation.total).toBe(0)
    expect((await call('GET', `/operations/${body.operation.id}`)).body.state).toBe('running')
    await record(message)
    await take(topology.monitorQueue, 1)
    expect(await ended(body.operation)).toMatchObject({ state: 'completed', done: 1 })
    expect(await call('GET', `/tasks/${idOfBlock(3_000)}`)).toMatchObject({ body: { status: 'cancelled' } })
  })

  it('looks again as long as something comes on record that the monitor held', async () => {
    const held = [3_100, 3_101, 3_102]
    const heldIds = new Set(held.map(idOfBlock))
    const ports = { database: api.database, broker, now, by: 'test', settleMs: 400 }
    const cancelled: string[] = []
    let recorded = 0
    for await (const outcomes of cancelWaiting(ports, { queue: 'purged', requestedAt: now() })) {
      // Not those that earlier tests have left.
      cancelled.push(...outcomes.map(({ id }) => id).filter((id) => heldIds.has(id)))
      // Between two looks, each only when the one before was found.
      const next = held[recorded]
      if (outcomes.length > 0 || next === undefined || cancelled.length < recorded) continue
      await record(taskMessage([next], { queue: 'purged' }))
      recorded += 1
    }
    expect(cancelled).toEqual([...heldIds])
    for (const block of held) {
      expect(await call('GET', `/tasks/${idOfBlock(block)}`)).toMatchObject({ body: { status: 'cancelled' } })
    }
  })

  it('refuses what is neither true nor false, and a queue that there is not', async () => {
    expect(await call('POST', '/queues/purged/purge?cancel=perhaps')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'cancel' }] },
    })
    expect(await call('POST', '/queues/nowhere/purge?cancel=true')).toMatchObject({ status: 404 })
  })
})

function idOf({ body }: Message): string | undefined {
  const message: TaskMessage = taskMessageCodec.decode(body)
  return message.items[0]?.id
}

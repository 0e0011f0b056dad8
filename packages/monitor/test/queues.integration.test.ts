import {
  type Broker,
  type ControlMessage,
  createBroker,
  createSilentLogger,
  createTopology,
  listenToControl,
  publishReply,
} from '@blockmill/core'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { heartbeat, taskMessage } from './message-arbitraries.ts'
import { testApi } from './test-api.ts'

const logger = createSilentLogger()
const rabbit = testBroker()
const topology = createTopology({ namespace: rabbit.namespace })
const now = () => new Date('2026-01-01T00:00:10.000Z')

let broker: Broker
const heard: ControlMessage[] = []
const answering = new Set(['worker-a'])

beforeAll(async () => {
  broker = createBroker({ url: rabbit.url, topology, logger, connectionName: 'queues-test' })
  await broker.start()
  await broker.declare(topology.work('slow'))
  for (const lane of ['low', 'low', 'normal'] as const) {
    const { type, body } = taskMessage([1], { queue: 'slow', lane })
    await broker.publisher.publish({
      exchange: topology.exchanges.tasks,
      routingKey: topology.taskKey('slow', lane),
      type,
      body,
    })
  }
  // Stands for the workers.
  await listenToControl(broker, {
    logger,
    onMessage(message) {
      heard.push(message)
      const isMeant = message.type === 'ping' || message.type === 'shutdown'
      for (const from of isMeant ? answering : []) {
        if (message.type === 'shutdown' && message.worker !== from) continue
        void publishReply(broker, message, { type: 'worker', v: 1, id: message.id, from })
      }
    },
  })
})
afterAll(() => broker.stop())

const api = testApi(() => ({ broker, now }))
const { call } = api

beforeAll(async () => {
  await api.record(...['worker-a', 'silent', 'stopped', 'lost'].map((name) => heartbeat([], 1, name)))
  await api.database.query(`update blockmill.worker set queues = '["slow"]' where name = 'worker-a'`)
  await api.database.query(`update blockmill.worker set state = 'stopped' where name = 'stopped'`)
  await api.database.query(`update blockmill.worker set last_seen_at = '2025-12-31T23:00:00Z' where name = 'lost'`)
})

function laneNamed(body: { lanes: { lane: string }[] }, name: string) {
  return body.lanes.find((one) => one.lane === name)
}

describe('GET /api/v1/queues', () => {
  it('shows the lanes of the queues that workers serve, with what waits', async () => {
    await expect
      .poll(async () => {
        const { body } = await call('GET', '/queues')
        const slow = body.queues.find(({ queue }: { queue: string }) => queue === 'slow')
        return slow.lanes.map(({ lane: name, ready, paused }: Record<string, unknown>) => [name, ready, paused])
      })
      .toEqual([
        ['high', 0, false],
        ['normal', 1, false],
        ['low', 2, false],
      ])
    const { body } = await call('GET', '/queues')
    expect(body.queues.map(({ queue }: { queue: string }) => queue)).toEqual(['default', 'slow'])
    expect(laneNamed(body.queues[0], 'normal')).toMatchObject({ ready: null, consumers: 0 })
  })

  it('shows one queue, answers 404 for one that there is not, and 400 for what is no name', async () => {
    expect(await call('GET', '/queues/slow')).toMatchObject({ status: 200, body: { queue: 'slow' } })
    expect(await call('GET', '/queues/nowhere')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('nowhere') },
    })
    expect(await call('GET', '/queues/No.Name')).toMatchObject({ status: 400, body: { errors: [{ field: 'name' }] } })
  })
})

describe('POST /api/v1/queues/:name/pause and resume', () => {
  it('tells workers, now and later, and shows who ordered it', async () => {
    const paused = await call('POST', '/queues/slow/pause?lane=low')
    expect(paused.status).toBe(200)
    expect(laneNamed(paused.body, 'low')).toMatchObject({
      paused: true,
      changedAt: now().toISOString(),
      changedBy: 'api 127.0.0.1',
    })
    expect(laneNamed(paused.body, 'normal')).toMatchObject({ paused: false })
    await expect
      .poll(() => heard)
      .toContainEqual(expect.objectContaining({ type: 'pause', queue: 'slow', lane: 'low' }))

    await api.database.query(`update blockmill.queue_state set changed_at = changed_at - interval '1 s'`)
    const resumed = await call('POST', '/queues/slow/resume')
    expect(resumed.body.lanes.map((one: { paused: boolean }) => one.paused)).toEqual([false, false, false])
    await expect.poll(() => heard).toContainEqual(expect.objectContaining({ type: 'resume', queue: 'slow' }))
  })

  it.each([
    ['/queues/No.Name/pause', 'name'],
    ['/queues/slow/pause?lane=middle', 'lane'],
    ['/queues/slow/resume?force=yes', 'force'],
  ])('refuses %s, and names the field', async (path, field) => {
    const { status, body } = await call('POST', path)
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })
})

describe('POST /api/v1/queues/:name/purge', () => {
  it('drops what waits in a lane, then in all, and says how much and what becomes of it', async () => {
    expect((await call('POST', '/queues/slow/purge?lane=low')).body).toEqual({
      queue: 'slow',
      purged: 2,
      lanes: [{ lane: 'low', purged: 2 }],
      note: expect.stringContaining('publishes those that are still wanted again'),
    })
    expect((await call('POST', '/queues/slow/purge')).body).toMatchObject({ purged: 1, lanes: [{}, {}, {}] })
    expect((await call('POST', '/queues/slow/purge')).body).toMatchObject({ purged: 0 })
  })

  it('answers 404 for a queue that there is not, and 400 for what is no lane', async () => {
    expect(await call('POST', '/queues/nowhere/purge')).toMatchObject({ status: 404 })
    expect(await call('POST', '/queues/slow/purge?lane=x')).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'lane' }] },
    })
  })
})

describe('POST /api/v1/workers/:name/shutdown and ping', () => {
  it('tells a worker to stop, and asks whether it is there', async () => {
    const [stop, ping] = await Promise.all([
      call('POST', '/workers/worker-a/shutdown'),
      call('POST', '/workers/worker-a/ping'),
    ])
    expect(stop).toEqual({ status: 200, body: { worker: 'worker-a', state: 'stopping' } })
    expect(ping).toEqual({ status: 200, body: { worker: 'worker-a', state: 'alive' } })
    expect(heard).toContainEqual(expect.objectContaining({ type: 'shutdown', worker: 'worker-a', by: 'api 127.0.0.1' }))
  })

  it('is a conflict for a worker that has stopped, is lost or does not answer, and 404 for one that nobody knows', async () => {
    const answers = await Promise.all(
      ['stopped', 'lost', 'silent', 'nobody'].map((name) => call('POST', `/workers/${name}/shutdown`)),
    )
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409, 404])
    expect(answers.map(({ body }) => body.detail)).toEqual([
      expect.stringContaining('has stopped'),
      expect.stringContaining('is lost'),
      expect.stringContaining('did not answer'),
      expect.stringContaining('nobody'),
    ])
  })
})

describe('without a broker', () => {
  const alone = testApi(() => ({ now }))

  beforeAll(() => alone.record(heartbeat([], 1, 'worker-a')))

  it.each([
    ['GET', '/queues'],
    ['GET', '/queues/slow'],
    ['POST', '/queues/slow/pause'],
    ['POST', '/queues/slow/purge'],
    ['POST', '/workers/worker-a/ping'],
  ] as const)('%s %s answers 503', async (method, path) => {
    expect(await alone.call(method, path)).toMatchObject({ status: 503 })
  })

  it('workers are listed all the same', async () => {
    expect(await alone.call('GET', '/workers')).toMatchObject({ status: 200 })
  })
})

import {
  type BackfillJob,
  createBackfillJob,
  createBackfills,
  createBroker,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  type Database,
  defineTask,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { createScriptedChain, type ScriptedChain, startTcpProxy, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createBackfillStore } from '../src/backfill/backfill-store.ts'
import { createCoverageStore } from '../src/coverage/coverage-store.ts'
import { createScheduler } from '../src/scheduler.ts'
import { createSql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'

const amqp = testBroker()
const postgres = migratedDatabase()
const topology = createTopology({ namespace: amqp.namespace })
const logger = createSilentLogger()
const run = () => null
const task = defineTask({ name: 'a', run })

let database: Database
let backfills: ReturnType<typeof createBackfills>
let chainName = ''
let names = 0

beforeAll(() => {
  database = open(postgres.url)
  backfills = createBackfills(database)
})
afterAll(() => database.close())
beforeEach(() => {
  chainName = `chain-${(names += 1)}`
})

function brokerClient(connectionName: string) {
  const reconnect = { minMs: 20, maxMs: 200 }
  return createBroker({ url: amqp.url, topology, logger, connectionName, reconnect })
}

async function startScheduler(chain: ScriptedChain, { databaseUrl = postgres.url, leaseTtlMs = 60_000 } = {}) {
  const broker = brokerClient('scheduler')
  const depth = vi.spyOn(broker, 'depth')
  const own = open(databaseUrl)
  const scheduler = createScheduler({
    config: { chain: chainName, pollIntervalMs: 50, leaseTtlMs },
    logger,
    metrics: createMetrics('scheduler'),
    broker,
    database: own,
    chain,
    registry: createTaskRegistry([{ definition: task, file: 'test.ts' }]),
  })
  let stopped: Promise<void> | undefined
  const stop = () =>
    (stopped ??= (async () => {
      await scheduler.stop()
      await Promise.all([broker.stop(), own.close()])
    })())
  onTestFinished(stop)
  await scheduler.start()
  /** How often it has asked how many messages wait in this queue. */
  const looksAt = (queue: string) => depth.mock.calls.filter(([asked]) => asked === queue).length
  return { scheduler, stop, looksAt }
}

async function create(request: Pick<BackfillJob, 'from' | 'to'> & Partial<Parameters<typeof createBackfillJob>[0]>) {
  const job = createBackfillJob(
    { chain: chainName, task: 'a', head: 'finalized', createdBy: 'test', ...request },
    new Date(),
  )
  await backfills.create(job)
  return job.id
}

const inState = (id: string, state: string) =>
  waitFor(async () => (await backfills.summary(id)).state === state, { describe: `the job to be ${state}` })

/** Takes what is in the low lane like a worker that needs no time. Answers with what it took. */
async function consume(queue: string) {
  const taken: TaskMessage[] = []
  const consumer = brokerClient('consumer')
  await consumer.start()
  onTestFinished(() => consumer.stop())
  await consumer.consume({
    queue,
    prefetch: 50,
    onDelivery(delivery) {
      const message = taskMessageCodec.decode(delivery.body)
      // Not what an earlier test has left.
      if (message.chain === chainName) taken.push(message)
      delivery.ack()
    },
  })
  return taken
}

describe('a back-fill on a real broker and database', () => {
  it('never lets more than its window wait, and goes on when somebody takes it', async () => {
    const { looksAt } = await startScheduler(createScriptedChain({ head: 50_000 }))
    const id = await create({ from: 0, to: 19_999, chunk: 10, window: 500 })
    const lane = topology.workQueue('default', 'low')
    const observer = brokerClient('observer')
    await observer.start()
    onTestFinished(() => observer.stop())
    const depth = async () => (await observer.depth(lane))?.messages ?? 0
    await waitFor(async () => (await depth()) === 50, { describe: 'the window to be full' })
    await waitFor(async () => (await backfills.summary(id)).done === 500, { describe: 'that to be on record' })
    expect(await backfills.summary(id)).toMatchObject({ state: 'running', total: 20_000, scheduled: 500 })
    // Several looks of the scheduler at the lane later, nothing has come on top.
    const looks = looksAt(lane)
    await waitFor(() => looksAt(lane) >= looks + 5, { describe: 'the scheduler to look at the lane' })
    expect(await depth()).toBe(50)

    const deepest: number[] = []
    const taken = await consume(lane)
    await waitFor(
      async () => {
        deepest.push(await depth())
        return (await backfills.summary(id)).state === 'completed'
      },
      { describe: 'the job to be completed', timeoutMs: 100_000 },
    )
    expect(Math.max(...deepest)).toBeLessThanOrEqual(50)
    await waitFor(() => taken.length === 2_000, { describe: 'all messages' })
    expect(new Set(taken.flatMap(({ items }) => items.map(({ id: taskId }) => taskId))).size).toBe(20_000)
    const detail = await backfills.detail(id)
    expect(detail.parts).toMatchObject([{ done: 20_000, total: 20_000, missing: { ranges: [] } }])
  })

  it('starts blocks at the head before all that waits, while it runs', async () => {
    const chain = createScriptedChain({ head: 200_000 })
    const started = new Set<number>()
    const live = brokerClient('live')
    await live.start()
    onTestFinished(() => live.stop())
    await startScheduler(chain)
    const taken = await consume(topology.workQueue('default', 'low'))
    /** How many messages of the back-fill were taken when a block at the head was. */
    const takenBefore: number[] = []
    await live.consume({
      queue: topology.workQueue('default', 'normal'),
      prefetch: 50,
      onDelivery(delivery) {
        for (const { block } of taskMessageCodec.decode(delivery.body).items) started.add(block?.number ?? 0)
        takenBefore.push(taken.length)
        delivery.ack()
      },
    })
    const id = await create({ from: 0, to: 99_999, chunk: 100 })
    const overtaken: number[] = []
    for (let number = 200_001; number <= 200_010; number += 1) {
      // Of 1,000 messages.
      const share = overtaken.length * 80
      await waitFor(() => taken.length > share, { describe: `${share} messages of the back-fill`, intervalMs: 5 })
      const before = taken.length
      chain.advance()
      await waitFor(() => started.has(number), { describe: `block ${number} to start`, intervalMs: 5 })
      overtaken.push((takenBefore.at(-1) ?? Number.NaN) - before)
    }
    // A window is 100 messages of 100 tasks.
    expect(Math.max(...overtaken)).toBeLessThan(100)
    await waitFor(async () => (await backfills.summary(id)).state === 'completed', {
      describe: 'the job to be completed',
      timeoutMs: 100_000,
    })
  })

  it('goes on in the next scheduler where the last one was, with nothing lost', async () => {
    const chain = createScriptedChain({ head: 20_000 })
    const proxy = await startTcpProxy({ target: postgres.url })
    onTestFinished(() => proxy.stop())
    const taken = await consume(topology.workQueue('default', 'low'))
    const first = await startScheduler(chain, { databaseUrl: proxy.url, leaseTtlMs: 1_000 })
    const id = await create({ from: 0, to: 9_999, rate: 4_000 })
    await waitFor(async () => (await backfills.summary(id)).done > 1_000, { describe: 'some progress' })
    // What it publishes from now on it cannot write down.
    proxy.stall()
    const second = await startScheduler(chain)
    await waitFor(() => second.scheduler.isLeading(), { describe: 'the other to lead' })
    proxy.resume()
    await inState(id, 'completed')
    await waitFor(() => !first.scheduler.isLeading(), { describe: 'the first to stand by' })
    const ids = () => new Set(taken.flatMap(({ items }) => items.map(({ id: taskId }) => taskId))).size
    await expect.poll(ids).toBe(10_000)
    const coverage = await createCoverageStore({ sql: createSql(database), chain: chainName }).load()
    expect(coverage[0]?.evaluated[0]).toEqual({ from: 0, to: 9_999 })
    expect((await backfills.detail(id)).scheduled).toBe(10_000)
  })
})

describe('the orders of people', () => {
  it('stop a job, and let it go on later', async () => {
    const rate = 1_000
    await startScheduler(createScriptedChain({ head: 100_000 }))
    const taken = await consume(topology.workQueue('default', 'low'))
    const id = await create({ from: 0, to: 99_999, rate })
    const done = async () => (await backfills.summary(id)).done
    await waitFor(async () => (await done()) > 0, { describe: 'some progress' })
    await backfills.order(id, 'pause')
    await standsStill(done)
    const before = taken.length
    await backfills.order(id, 'resume')
    await waitFor(() => taken.length > before + rate, { describe: 'the job to go on' })
    expect((await backfills.order(id, 'cancel')).state).toBe('cancelled')
    await standsStill(done)
    expect((await backfills.summary(id)).state).toBe('cancelled')
  })
})

/** Waits until a number has not grown for some seconds, in which it did before. */
async function standsStill(count: () => Promise<number>): Promise<void> {
  let last = -1
  let since = Date.now()
  await waitFor(
    async () => {
      const now = await count()
      if (now !== last) since = Date.now()
      last = now
      return Date.now() - since > 2_000
    },
    { describe: 'the job to stand still' },
  )
}

describe('the back-fill store', () => {
  const coverage = { task: 'a', argsHash: 'h', head: 'finalized' as const, args: {}, startBlock: 100 }

  async function setUp(token = 7) {
    await database.query(
      `insert into blockmill.scheduler_lease (chain, holder, token, expires_at) values ($1, 'test', $2, now() + interval '1 minute')`,
      [chainName, token],
    )
    const store = createBackfillStore({ sql: createSql(database), chain: chainName, token: 7 })
    const id = await create({ from: 0, to: 99 })
    return { store, id }
  }

  it('counts a range once, however often it is written', async () => {
    const { store, id } = await setUp()
    await store.start(id, [{ argsHash: 'h', args: {}, target: [{ from: 0, to: 99 }] }])
    const progress = { job: id, coverage, range: { from: 0, to: 9 }, scheduled: 10 }
    await store.progress(progress)
    await store.progress(progress)
    await store.progress({ ...progress, range: { from: 20, to: 29 }, scheduled: 3 })
    expect(await backfills.summary(id)).toMatchObject({ done: 20, total: 100, scheduled: 13, state: 'running' })
    expect(await store.parts(id)).toMatchObject([
      {
        evaluated: [
          { from: 0, to: 9 },
          { from: 20, to: 29 },
        ],
      },
    ])
  })

  it('adopts what others have covered, within its target, and never what a forced job is to run again', async () => {
    const { store, id } = await setUp()
    const forced = await create({ from: 0, to: 99, force: true })
    for (const job of [id, forced])
      await store.start(job, [{ argsHash: 'h', args: {}, target: [{ from: 50, to: 99 }] }])
    await createCoverageStore({ sql: createSql(database), chain: chainName }).add(7, [
      { ...coverage, range: { from: 0, to: 79 } },
    ])
    for (const job of [id, forced]) await store.adopt(job)
    expect((await backfills.summary(id)).done).toBe(30)
    expect((await backfills.summary(forced)).done).toBe(0)
  })

  it('leaves what people have ordered: a paused job is neither started, reported on, nor finished', async () => {
    const { store, id } = await setUp()
    await store.start(id, [])
    await backfills.order(id, 'pause')
    await store.start(id, [])
    await store.report([{ job: id, blocksPerSecond: 5, note: 'late' }])
    await store.finish(id, 'complete', null)
    expect(await backfills.summary(id)).toMatchObject({ state: 'paused', error: null, finishedAt: null })
    expect(await store.open()).toEqual([])
  })

  it('is refused every write when another scheduler leads, and writes neither half', async () => {
    const { store, id } = await setUp(8)
    const part = { argsHash: 'h', args: {}, target: [{ from: 0, to: 99 }] }
    const progress = { job: id, coverage, range: { from: 0, to: 9 }, scheduled: 10 }
    for (const write of [
      () => store.start(id, [part]),
      () => store.progress(progress),
      () => store.adopt(id),
      () => store.report([{ job: id, blocksPerSecond: 1, note: null }]),
      () => store.finish(id, 'fail', 'no'),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'SCHEDULER_LEASE_LOST', kind: 'retryable' })
    }
    expect(await backfills.summary(id)).toMatchObject({ state: 'pending', done: 0, total: null })
    expect(await createCoverageStore({ sql: createSql(database), chain: chainName }).load()).toEqual([])
  })
})

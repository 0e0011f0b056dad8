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
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

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

async function startScheduler(chain: ScriptedChain, { databaseUrl = postgres.url, definition = task } = {}) {
  const broker = brokerClient('scheduler')
  const own = open(databaseUrl)
  const scheduler = createScheduler({
    config: { chain: chainName, pollIntervalMs: 50, leaseTtlMs: 1_000 },
    logger,
    metrics: createMetrics('scheduler'),
    broker,
    database: own,
    chain,
    registry: createTaskRegistry([{ definition, file: 'test.ts' }]),
  })
  let stopped: Promise<void> | undefined
  const stop = () =>
    (stopped ??= (async () => {
      await scheduler.stop()
      await Promise.all([broker.stop(), own.close()])
    })())
  onTestFinished(stop)
  await scheduler.start()
  return { scheduler, stop }
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
      taken.push(taskMessageCodec.decode(delivery.body))
      delivery.ack()
    },
  })
  return taken
}

describe('a back-fill on a real broker and database', () => {
  it('never lets more than its window wait, and goes on when somebody takes it', async () => {
    await startScheduler(createScriptedChain({ head: 50_000 }))
    const id = await create({ from: 0, to: 19_999, chunk: 10, window: 500 })
    const lane = topology.workQueue('default', 'low')
    const observer = brokerClient('observer')
    await observer.start()
    onTestFinished(() => observer.stop())
    const depth = async () => (await observer.depth(lane))?.messages ?? 0
    await waitFor(async () => (await depth()) === 50, { describe: 'the window to be full' })
    const before = await backfills.summary(id)
    expect(before).toMatchObject({ state: 'running', done: 500, total: 20_000, scheduled: 500 })
    // Several looks of the scheduler at the lane later, nothing has come on top.
    const since = Date.now()
    await waitFor(() => Date.now() - since > 1_000, { describe: 'a second' })
    expect(await depth()).toBe(50)

    const deepest: number[] = []
    const taken = await consume(lane)
    await waitFor(
      async () => {
        deepest.push(await depth())
        return (await backfills.summary(id)).state === 'completed'
      },
      { describe: 'the job to be completed', timeoutMs: 30_000 },
    )
    expect(Math.max(...deepest)).toBeLessThanOrEqual(50)
    await waitFor(() => taken.length === 2_000, { describe: 'all messages' })
    expect(new Set(taken.flatMap(({ items }) => items.map(({ id: taskId }) => taskId))).size).toBe(20_000)
    const detail = await backfills.detail(id)
    expect(detail.parts).toMatchObject([{ done: 20_000, total: 20_000, missing: { ranges: [] } }])
  }, 60_000)

  it('starts blocks at the head within a second while it runs', async () => {
    const chain = createScriptedChain({ head: 200_000 })
    const started = new Map<number, number>()
    const live = brokerClient('live')
    await live.start()
    onTestFinished(() => live.stop())
    await startScheduler(chain)
    await live.consume({
      queue: topology.workQueue('default', 'normal'),
      prefetch: 50,
      onDelivery(delivery) {
        for (const { block } of taskMessageCodec.decode(delivery.body).items)
          started.set(block?.number ?? 0, Date.now())
        delivery.ack()
      },
    })
    await consume(topology.workQueue('default', 'low'))
    const id = await create({ from: 0, to: 99_999, chunk: 100 })
    await inState(id, 'running')
    const delays: number[] = []
    for (let number = 200_001; number <= 200_010; number += 1) {
      const producedAt = Date.now()
      chain.advance()
      await waitFor(() => started.has(number), { describe: `block ${number} to start`, timeoutMs: 5_000 })
      delays.push((started.get(number) ?? Number.NaN) - producedAt)
    }
    expect(Math.max(...delays)).toBeLessThan(1_000)
    await waitFor(async () => (await backfills.summary(id)).state === 'completed', {
      describe: 'the job to be completed',
      timeoutMs: 60_000,
    })
  }, 90_000)

  it('goes on in the next scheduler where the last one was, with nothing lost', async () => {
    const chain = createScriptedChain({ head: 20_000 })
    const proxy = await startTcpProxy({ target: postgres.url })
    onTestFinished(() => proxy.stop())
    const taken = await consume(topology.workQueue('default', 'low'))
    const first = await startScheduler(chain, { databaseUrl: proxy.url })
    const id = await create({ from: 0, to: 9_999, rate: 4_000 })
    await waitFor(async () => (await backfills.summary(id)).done > 1_000, { describe: 'some progress' })
    // What it publishes from now on it cannot write down.
    proxy.stall()
    const second = await startScheduler(chain)
    await waitFor(() => second.scheduler.isLeading(), { describe: 'the other to lead', timeoutMs: 10_000 })
    proxy.resume()
    await inState(id, 'completed')
    await waitFor(() => !first.scheduler.isLeading(), { describe: 'the first to stand by' })
    const ids = new Set(taken.flatMap(({ items }) => items.map(({ id: taskId }) => taskId)))
    expect(ids.size).toBe(10_000)
    const coverage = await createCoverageStore({ sql: createSql(database), chain: chainName }).load()
    expect(coverage[0]?.evaluated[0]).toEqual({ from: 0, to: 9_999 })
    expect((await backfills.detail(id)).scheduled).toBe(10_000)
  }, 60_000)
})

describe('the orders of people', () => {
  it('stop a job within two seconds, and let it go on later', async () => {
    await startScheduler(createScriptedChain({ head: 100_000 }))
    await consume(topology.workQueue('default', 'low'))
    const id = await create({ from: 0, to: 99_999, rate: 1_000 })
    await waitFor(async () => (await backfills.summary(id)).done > 0, { describe: 'some progress' })
    await backfills.order(id, 'pause')
    const since = Date.now()
    let done = -1
    await waitFor(
      async () => {
        const last = done
        done = (await backfills.summary(id)).done
        return done === last && Date.now() - since > 1_500
      },
      { describe: 'the job to stand still', intervalMs: 500, timeoutMs: 4_000 },
    )
    await backfills.order(id, 'resume')
    await waitFor(async () => (await backfills.summary(id)).done > done, { describe: 'the job to go on' })
    expect((await backfills.order(id, 'cancel')).state).toBe('cancelled')
    await waitFor(
      async () => {
        const last = done
        done = (await backfills.summary(id)).done
        return done === last
      },
      { describe: 'the job to end', intervalMs: 1_000, timeoutMs: 5_000 },
    )
    expect((await backfills.summary(id)).state).toBe('cancelled')
  }, 30_000)
})

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

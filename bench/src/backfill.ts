import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

import {
  createBackfillJob,
  createBackfills,
  createBroker,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  type Database,
  openDatabase,
} from '@blockmill/core'
import { createScheduler } from '@blockmill/scheduler'
import {
  createDatabase,
  createScriptedChain,
  dropDatabase,
  type ScriptedChain,
  startBroker,
  startPostgres,
} from '@blockmill/testkit'

import { startChild } from './child.ts'
import { noop } from './noop-task.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { whenTrue } from './when-true.ts'

/** Blocks in one message. */
export const CHUNK = 100
/** Messages, of a hundred tasks each. */
const PREFETCH = 20
const CONCURRENCY = 20
const LIVE_EVERY_MS = 1_000
/** For a million blocks, on two cores. */
const BAR_SECONDS = 90
const BAR_LIVE_MS = 1_000
const BAR_GROWTH_MB = 50

/**
 * A back-fill from the moment at which it is put on record to the record of its last task as succeeded, while the chain
 * goes on by a block a second: how long it takes, how long those blocks wait for a worker meanwhile, and whether the
 * scheduler's memory grows. Worker and monitor are processes of their own; the
 * scheduler shares this one with nothing but the questions whether it is over.
 */
export async function benchBackfill({ blocks }: { readonly blocks: number }): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  try {
    const databaseUrl = await createDatabase(postgres.url, name)
    const measured = await measureBackfill({ brokerUrl: broker.url, databaseUrl, blocks })
    await dropDatabase(postgres.url, name)
    return toResults(blocks, measured)
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

export interface BackfillBenchOptions {
  readonly brokerUrl: string
  /** Of an empty database. */
  readonly databaseUrl: string
  readonly blocks: number
}

/** One back-fill; see `benchBackfill`. */
export async function measureBackfill({ brokerUrl, databaseUrl, blocks }: BackfillBenchOptions): Promise<Measured> {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'scheduler', level: 'warn' })
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'scheduler' })
  const database = openDatabase({ url: databaseUrl, logger })
  const chain = createScriptedChain({ head: blocks })
  const registry = createTaskRegistry([{ definition: noop, file: 'noop-task.ts' }])
  const metrics = createMetrics('scheduler')
  const scheduler = createScheduler({ config: { chain: 'bench' }, logger, metrics, broker, database, chain, registry })
  await scheduler.start()
  const service = { brokerUrl, databaseUrl, namespace, concurrency: CONCURRENCY, prefetch: PREFETCH }
  const monitor = await startChild('service-process.ts', { ...service, role: 'monitor' })
  const worker = await startChild('service-process.ts', { ...service, role: 'worker' })
  await whenTrue(database, SUCCEEDED, [1])

  const live = produceBlocks(chain, blocks)
  const job = createBackfillJob(
    { chain: 'bench', task: noop.name, head: 'finalized', from: 0, to: blocks - 1, chunk: CHUNK, createdBy: 'bench' },
    new Date(),
  )
  const memory = [rssMb()]
  const start = performance.now()
  await createBackfills(database).create(job)
  await whenTrue(database, DONE, [job.id, Math.floor(blocks / 2)])
  memory.push(rssMb())
  const plannedAt = await whenTrue(database, DONE, [job.id, blocks])
  memory.push(rssMb())
  const produced = await live.stop()
  const recordedAt = await whenTrue(database, SUCCEEDED, [1 + blocks + produced.size])
  const delays = await liveDelays(database, produced)

  await Promise.all([worker.stop(), monitor.stop()])
  await scheduler.stop()
  await Promise.all([broker.stop(), database.close(), chain.close()])
  await removeTopology(brokerUrl, topology)
  return { plannedMs: plannedAt - start, recordedMs: recordedAt - start, delays, memory }
}

const DONE = `
  select coalesce(sum(upper(one) - lower(one)), 0) >= $2::bigint as done
  from blockmill.backfill_part, unnest(evaluated) as one where backfill = $1`
// The differences that each batch leaves, in place of a count of a million rows.
const SUCCEEDED = `
  select coalesce(sum(count), 0) = $1::bigint as done from blockmill.task_count where status = 'succeeded'`

/** Adds a block to the chain each second; when stopped, it tells when each was produced, in Unix milliseconds. */
function produceBlocks(chain: ScriptedChain, head: number) {
  const produced = new Map<number, number>()
  const stopping = new AbortController()
  const producing = (async () => {
    while (!stopping.signal.aborted) {
      produced.set(head + produced.size + 1, Date.now())
      chain.advance()
      await delay(LIVE_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  })()
  return {
    async stop(): Promise<ReadonlyMap<number, number>> {
      stopping.abort()
      await producing
      return produced
    },
  }
}

/** Milliseconds from the production of each block to the start of its task, ascending. */
async function liveDelays(database: Database, produced: ReadonlyMap<number, number>): Promise<number[]> {
  const rows = await database.query<{ block_number: number; started_at: Date }>(
    'select block_number, started_at from blockmill.task where block_number = any($1::bigint[]) order by block_number',
    [[...produced.keys()]],
  )
  return rows
    .map((row) => row.started_at.getTime() - (produced.get(row.block_number) ?? Number.NaN))
    .sort((a, b) => a - b)
}

function rssMb(): number {
  return process.memoryUsage().rss / 1_048_576
}

interface Measured {
  readonly plannedMs: number
  readonly recordedMs: number
  readonly delays: readonly number[]
  /** At the start, in the middle and at the end. */
  readonly memory: readonly number[]
}

function toResults(blocks: number, { plannedMs, recordedMs, delays, memory }: Measured): Result[] {
  const benchmark = 'backfill'
  const what = `${blocks.toLocaleString('en')} blocks, chunk ${CHUNK}`
  const quantile = (share: number): number => delays[Math.ceil(share * delays.length) - 1] ?? Number.NaN
  const [atStart = Number.NaN, middle = Number.NaN, end = Number.NaN] = memory
  const seconds = recordedMs / 1_000
  const atMost = 'atMost' as const
  const bar = (BAR_SECONDS * blocks) / 1_000_000
  const delayed = `delay of ${delays.length} live blocks meanwhile`
  return [
    { benchmark, what: `${what}: scheduled and covered`, value: plannedMs / 1_000, unit: 's' },
    { benchmark, what: `${what}: recorded as succeeded`, value: seconds, unit: 's', bar, barIs: atMost },
    { benchmark, what: `${what}: recorded as succeeded`, value: blocks / seconds, unit: 'tasks/s' },
    { benchmark, what: `${delayed}, p50`, value: quantile(0.5), unit: 'ms' },
    { benchmark, what: `${delayed}, p99`, value: quantile(0.99), unit: 'ms' },
    { benchmark, what: `${delayed}, max`, value: quantile(1), unit: 'ms', bar: BAR_LIVE_MS, barIs: atMost },
    { benchmark, what: 'memory of the scheduler at the start', value: atStart, unit: 'MB' },
    { benchmark, what: 'memory of the scheduler in the middle', value: middle, unit: 'MB' },
    { benchmark, what: 'memory of the scheduler at the end', value: end, unit: 'MB' },
    {
      benchmark,
      what: 'growth from the middle to the end',
      value: end - middle,
      unit: 'MB',
      bar: BAR_GROWTH_MB,
      barIs: atMost,
    },
  ]
}

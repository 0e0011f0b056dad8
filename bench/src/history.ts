import { randomBytes } from 'node:crypto'

import { createLogger, type Database, migrate, openDatabase } from '@blockmill/core'
import { createDatabase, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { measureApi } from './api-latency.ts'
import { fillHistory } from './fill-history.ts'
import type { Result } from './report.ts'
import { measureTracked } from './tracked.ts'

const BAR_RATIO = 0.9
/** Each measured so often, in turns. */
const ROUNDS = 5
/** A statement that fills the record may take minutes. */
const FILL_TIMEOUT_MS = 20 * 60_000

export interface HistoryOptions {
  /** Tasks that are put on record first. */
  readonly rows: number
  /** Tasks of each measurement of the tracked rate. */
  readonly tasks: number
  /** How often each question is asked. */
  readonly turns: number
}

/** With so many tasks on record: how long the API takes to answer, and the tracked rate next to that with empty tables. */
export async function benchHistory({ rows, tasks, turns }: HistoryOptions): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const benchmark = 'history'
  try {
    const databaseUrl = await createDatabase(postgres.url, name)
    const begun = performance.now()
    const count = await fillDatabase(databaseUrl, rows)
    const what = `${count.toLocaleString('en')} tasks`
    const results: Result[] = [
      { benchmark, what: `${what} put on record`, value: (performance.now() - begun) / 1_000, unit: 's' },
      ...(await withDatabase(databaseUrl, (database) => measureApi({ brokerUrl: broker.url, database, turns, what }))),
    ]
    // What filling has left to be written would otherwise be written while the rate is measured.
    await withDatabase(databaseUrl, ({ query }) => query('checkpoint'), FILL_TIMEOUT_MS)
    // Where the chain goes on: blocks that are new go to the end of the indexes.
    const run = { brokerUrl: broker.url, tasks, firstBlock: count }
    const empty: number[] = []
    const full: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const emptyUrl = await createDatabase(postgres.url, `${name}_${round}`)
      empty.push((await measureTracked({ ...run, databaseUrl: emptyUrl })).trackedPerSecond)
      await dropDatabase(postgres.url, `${name}_${round}`)
      const chain = `bench-${round}`
      full.push((await measureTracked({ ...run, databaseUrl, chain })).trackedPerSecond)
    }
    await dropDatabase(postgres.url, name)
    const best = { empty: Math.max(...empty), full: Math.max(...full) }
    const setting = `${tasks} no-op tasks, one per message, recorded as succeeded, best of ${ROUNDS}`
    return [
      ...results,
      { benchmark, what: `${setting}: empty tables`, value: best.empty, unit: 'tasks/s' },
      { benchmark, what: `${setting}: after ${what}`, value: best.full, unit: 'tasks/s' },
      { benchmark, what: 'the second against the first', value: best.full / best.empty, unit: '×', bar: BAR_RATIO },
    ]
  } finally {
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

/**
 * Fills a database with a history, for looking at it or for measuring by hand.
 *
 * @returns the number of tasks.
 */
export function fillDatabase(databaseUrl: string, rows: number): Promise<number> {
  const url = new URL(databaseUrl)
  // Durability costs the generator time, and nobody misses what it has lost.
  url.searchParams.set('options', '-c synchronous_commit=off -c maintenance_work_mem=512MB')
  return withDatabase(url.href, (database) => fillHistory(database, rows), FILL_TIMEOUT_MS)
}

async function withDatabase<Value>(
  url: string,
  work: (database: Database) => Promise<Value>,
  queryTimeoutMs?: number,
): Promise<Value> {
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const database = openDatabase({ url, logger, ...(queryTimeoutMs !== undefined && { queryTimeoutMs }) })
  try {
    await migrate(database, { logger })
    return await work(database)
  } finally {
    await database.close()
  }
}

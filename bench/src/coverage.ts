import { randomBytes } from 'node:crypto'

import { createLogger, type Database, migrate, openDatabase } from '@blockmill/core'
import { readCoverage, readGaps } from '@blockmill/monitor'
import { createDatabase, dropDatabase, startPostgres } from '@blockmill/testkit'

import { quantile } from './quantile.ts'
import { recordTasks } from './record-tasks.ts'
import type { Result } from './report.ts'

const SETS = 200
const TASKS = 10_000_000
const REPETITIONS = 200
const WARM_UPS = 10
const BAR_MS = 50
/** A statement of the generator may take minutes. */
const QUERY_TIMEOUT_MS = 20 * 60_000

/** What the pages of coverage and gaps ask, and where of 100 times that it is asked 99 are faster. */
const QUESTIONS: Readonly<Record<string, (database: Database) => Promise<unknown>>> = {
  [`coverage of all ${SETS} sets of arguments`]: ({ query }) => readCoverage(query),
  'gaps, a page of 50': ({ query }) => readGaps(query),
  'gaps of one task': ({ query }) => readGaps(query, { task: 'task-07' }),
  'gaps of one task in 5,000 blocks': ({ query }) => readGaps(query, { task: 'task-07', from: 10_000, to: 14_999 }),
}

/** How long coverage and gaps take to read with ten million tasks on record. */
export async function benchCoverage(): Promise<Result[]> {
  // Durability costs the generator time, and queries none.
  const postgres = await startPostgres({ log: (line) => process.stderr.write(`${line}\n`), durable: false })
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const database = openDatabase({
    url: await createDatabase(postgres.url, name),
    logger,
    queryTimeoutMs: QUERY_TIMEOUT_MS,
  })
  try {
    await migrate(database, { logger })
    const begun = performance.now()
    await recordTasks(database, { sets: SETS, blocks: TASKS / SETS })
    const benchmark = 'coverage'
    const tasks = `${TASKS.toLocaleString('en')} tasks`
    const results: Result[] = [
      { benchmark, what: `${tasks} put on record`, value: (performance.now() - begun) / 1_000, unit: 's' },
    ]
    for (const [what, ask] of Object.entries(QUESTIONS)) {
      const times = await timesOf(() => ask(database))
      results.push(
        { benchmark, what: `${what}, ${tasks}: median`, value: quantile(times, 0.5), unit: 'ms' },
        {
          benchmark,
          what: `${what}, ${tasks}: p99`,
          value: quantile(times, 0.99),
          unit: 'ms',
          bar: BAR_MS,
          barIs: 'atMost',
        },
      )
    }
    return results
  } finally {
    await database.close()
    await dropDatabase(postgres.url, name)
    await postgres.stop()
  }
}

async function timesOf(ask: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  for (let turn = 0; turn < WARM_UPS + REPETITIONS; turn += 1) {
    const start = performance.now()
    await ask()
    if (turn >= WARM_UPS) times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)
}

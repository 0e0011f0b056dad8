import { randomBytes } from 'node:crypto'

import { createLogger, createMetrics, migrate, openDatabase } from '@blockmill/core'
import { createApp, pruneTasks } from '@blockmill/monitor'
import { createDatabase, dropDatabase, startPostgres } from '@blockmill/testkit'

import { fillHistory } from './fill-history.ts'
import { quantile } from './quantile.ts'
import type { Result } from './report.ts'

const BAR_MS = 100
const QUERY_TIMEOUT_MS = 20 * 60_000
/** Asked in turn while tasks are deleted. */
const PATHS = ['/tasks', '/tasks?status=failed', '/tasks?name=index-weights', '/failures', '/gaps?task=track-stake']

/** How long the API takes to answer while all finished tasks of a record are deleted, next to how long it takes before. */
export async function benchPrune({ rows }: { readonly rows: number }): Promise<Result[]> {
  const postgres = await startPostgres({ log: (line) => process.stderr.write(`${line}\n`) })
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const url = await createDatabase(postgres.url, name)
  const database = openDatabase({ url, logger, queryTimeoutMs: QUERY_TIMEOUT_MS })
  const app = await createApp({
    database,
    logger,
    metrics: createMetrics('monitor'),
    statistics: { latest: () => undefined },
    now: () => new Date(),
    notReadyBecause: () => [],
  })
  try {
    await migrate(database, { logger })
    await fillHistory(database, rows)
    const api = await app.listen({ host: '127.0.0.1', port: 0 })
    const latencies = async (isOver: (asked: number) => boolean): Promise<number[]> => {
      const times: number[] = []
      while (!isOver(times.length)) {
        const begun = performance.now()
        const response = await fetch(`${api}/api/v1${PATHS[times.length % PATHS.length]}`)
        await response.text()
        if (response.status !== 200) throw new Error(`${response.url} answered ${response.status}.`)
        times.push(performance.now() - begun)
      }
      return times.toSorted((a, b) => a - b)
    }
    const before = await latencies((asked) => asked >= 300)
    let seconds = 0
    const begun = performance.now()
    const pruning = pruneTasks(database, { cutoff: new Date() }).finally(() => {
      seconds = (performance.now() - begun) / 1_000
    })
    const meanwhile = await latencies(() => seconds > 0)
    const { deletedCount } = await pruning
    const benchmark = 'prune'
    return [
      { benchmark, what: `${deletedCount.toLocaleString('en')} tasks deleted in`, value: seconds, unit: 's' },
      { benchmark, what: 'API before, p99', value: quantile(before, 0.99), unit: 'ms' },
      { benchmark, what: 'API meanwhile, p50', value: quantile(meanwhile, 0.5), unit: 'ms' },
      {
        benchmark,
        what: `API meanwhile, p99 of ${meanwhile.length.toLocaleString('en')}`,
        value: quantile(meanwhile, 0.99),
        unit: 'ms',
        bar: BAR_MS,
        barIs: 'atMost',
      },
    ]
  } finally {
    await app.close()
    await database.close()
    await dropDatabase(postgres.url, name)
    await postgres.stop()
  }
}

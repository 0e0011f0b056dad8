import { randomBytes } from 'node:crypto'

import {
  createBroker,
  createLogger,
  createMetrics,
  createTopology,
  type Database,
  migrate,
  openDatabase,
  TASK_MESSAGE_TYPE,
} from '@blockmill/core'
import { createRecorder } from '@blockmill/monitor'
import { createDatabase, dropDatabase, startBroker, startPostgres } from '@blockmill/testkit'

import { measureBareUpsert } from './bare-upsert.ts'
import { recordMessages } from './record-messages.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { whenTrue } from './when-true.ts'

/** The two take turns, so that what else the machine does hits both. */
const ROUNDS = 3
const BAR = 0.5

/** Rows in a second that the recorder brings from the broker to the table, next to the bare statement with the same rows. */
export async function benchRecorder({ tasks }: { readonly tasks: number }): Promise<Result[]> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.all([startBroker({ log }), startPostgres({ log })])
  const name = `blockmill_bench_${randomBytes(4).toString('hex')}`
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const database = openDatabase({ url: await createDatabase(postgres.url, name), logger })
  try {
    await migrate(database, { logger })
    const bare: number[] = []
    const recorded: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      await empty(database)
      bare.push(await measureBareUpsert(database, tasks))
      await empty(database)
      recorded.push(await measureRecorder({ brokerUrl: broker.url, database, tasks }))
      log(`round ${round + 1}: ${Math.round(recorded.at(-1) ?? 0)} rows/s, bare ${Math.round(bare.at(-1) ?? 0)}`)
    }
    const benchmark = 'recorder'
    const unit = 'rows/s'
    return [
      { benchmark, what: 'bare unnest upsert, 500 rows a statement', value: median(bare), unit },
      { benchmark, what: 'recorder, one task per message, 50 events per message', value: median(recorded), unit },
      { benchmark, what: 'the second against the first', value: median(recorded) / median(bare), unit: '×', bar: BAR },
    ]
  } finally {
    await database.close()
    await dropDatabase(postgres.url, name)
    await Promise.all([broker.stop(), postgres.stop()])
  }
}

/** From the first delivery to the last row, with everything waiting in the monitor's queue before. */
async function measureRecorder({
  brokerUrl,
  database,
  tasks,
}: {
  readonly brokerUrl: string
  readonly database: Database
  readonly tasks: number
}): Promise<number> {
  const topology = createTopology({ namespace: `bench-${randomBytes(4).toString('hex')}` })
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'bench' })
  await broker.start()
  const { publisher } = broker
  for (const { type, body } of recordMessages(1, tasks)) {
    const isTask = type === TASK_MESSAGE_TYPE
    const exchange = isTask ? topology.exchanges.tasks : topology.exchanges.events
    const routingKey = isTask ? topology.taskKey('default', 'normal') : topology.eventKey('batch')
    void publisher.publish({ exchange, routingKey, type, body })
    await publisher.drained()
  }
  await whenConfirmed(publisher)
  const recorder = createRecorder({ broker, database, logger, metrics: createMetrics('bench') })
  const start = performance.now()
  await recorder.start()
  const end = await whenTrue(database, SUCCEEDED, [tasks])
  await recorder.stop()
  await broker.stop()
  await removeTopology(brokerUrl, topology)
  return (tasks * 1_000) / (end - start)
}

// From the totals, which cost nothing to read.
const SUCCEEDED = `select coalesce(sum(count), 0) >= $1::bigint as done from blockmill.task_count where status = 'succeeded'`

async function whenConfirmed(publisher: { readonly pending: number }): Promise<void> {
  while (publisher.pending > 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

async function empty({ query }: Pick<Database, 'query'>): Promise<void> {
  await query('truncate blockmill.task, blockmill.task_attempt, blockmill.task_count')
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

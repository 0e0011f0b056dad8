import { randomBytes } from 'node:crypto'

import {
  createBroker,
  createLogger,
  createTaskPublish,
  createTopology,
  openDatabase,
  SMALLEST_DELAY_MS,
  type TaskDefinition,
} from '@blockmill/core'
import { createDatabase, dropDatabase } from '@blockmill/testkit'

import { startChild } from './child.ts'
import { failOnce } from './fail-once-task.ts'
import { noop } from './noop-task.ts'
import { removeTopology } from './remove-topology.ts'
import type { Result } from './report.ts'
import { taskMessage } from './task-messages.ts'
import { whenTrue } from './when-true.ts'

const TASKS = 10_000
const BAR = 3
const CONCURRENCY = 100
const PREFETCH = 500

interface Services {
  readonly brokerUrl: string
  readonly serverUrl: string
}

/**
 * Seconds from the first publish until the last task is recorded as succeeded, with one worker: of tasks that succeed at once,
 * and of tasks that fail once and are tried again after 1 s with jitter.
 */
export async function benchRetryDrain(services: Services): Promise<Result[]> {
  const without = await drainSeconds(noop, services)
  const withRetries = await drainSeconds(failOnce, services)
  const benchmark = 'retries'
  const what = `${TASKS.toLocaleString('en')} tasks that`
  return [
    { benchmark, what: `${what} succeed at once, published to recorded`, value: without, unit: 's' },
    { benchmark, what: `${what} fail once, retried after 1 s with jitter`, value: withRetries, unit: 's' },
    {
      benchmark,
      what: 'the second against the first',
      value: withRetries / without,
      unit: '×',
      bar: BAR,
      barIs: 'atMost',
    },
  ]
}

async function drainSeconds(
  { name: task }: Pick<TaskDefinition, 'name'>,
  { brokerUrl, serverUrl }: Services,
): Promise<number> {
  const namespace = `bench-${randomBytes(4).toString('hex')}`
  const databaseName = `blockmill_${namespace.replace('-', '_')}`
  const databaseUrl = await createDatabase(serverUrl, databaseName)
  const logger = createLogger({ service: 'bench', level: 'warn' })
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'bench' })
  const database = openDatabase({ url: databaseUrl, logger })
  await broker.start()
  // Warnings of a worker would be one for each attempt that fails.
  const service = { brokerUrl, databaseUrl, namespace, concurrency: CONCURRENCY, prefetch: PREFETCH, logLevel: 'error' }
  const monitor = await startChild('service-process.ts', { ...service, role: 'monitor' })
  const worker = await startChild('service-process.ts', { ...service, role: 'worker' })
  const publish = createTaskPublish(broker)
  const numbers = Array.from({ length: TASKS }, (_, index) => index + 1)

  const start = performance.now()
  await Promise.all(numbers.map((number) => publish(taskMessage(task, number))))
  const end = await whenTrue(database, SUCCEEDED, [TASKS])

  await Promise.all([worker.stop(), monitor.stop(), broker.stop(), database.close()])
  await removeTopology(brokerUrl, topology, [SMALLEST_DELAY_MS])
  await dropDatabase(serverUrl, databaseName)
  return (end - start) / 1_000
}

const SUCCEEDED = `select count(*) = $1::bigint as done from blockmill.task where status = 'succeeded'`

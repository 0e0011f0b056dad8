import {
  type Broker,
  createBroker,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  type Database,
  defineTask,
  openDatabase,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createScheduler } from '@blockmill/scheduler'
import { callManagement, createScriptedChain, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { createWorker } from '@blockmill/worker'
import { expect, it, onTestFinished } from 'vitest'

const amqp = testBroker()
const { url: databaseUrl } = testDatabase()
const topology = createTopology({ namespace: amqp.namespace })
const logger = createSilentLogger()
const BLOCKS = 20
const runs = new Map<number, number>()

const task = defineTask({
  name: 'counted',
  run({ block }) {
    runs.set(block.number, (runs.get(block.number) ?? 0) + 1)
  },
})
const registry = createTaskRegistry([{ definition: task, file: 'test.ts' }])

/** A service's own connections, closed behind it. */
function connect(name: string): { readonly broker: Broker; readonly database: Database } {
  const broker = createBroker({ url: amqp.url, topology, logger, connectionName: name })
  const database = openDatabase({ url: databaseUrl, logger })
  onTestFinished(async () => {
    await Promise.all([broker.stop(), database.close()])
  })
  return { broker, database }
}

async function startMonitor() {
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0 },
    logger,
    metrics: createMetrics('monitor'),
    ...connect('monitor'),
  })
  onTestFinished(() => monitor.stop())
  await monitor.start()
}

async function startScheduler() {
  const chain = createScriptedChain({ head: BLOCKS })
  const metrics = createMetrics('scheduler')
  // Within that time, what runs is on record, so that nothing is taken for lost that is not.
  const config = { chain: 'dev', start: 1, reconcileAfterMs: 3_000, reconcileIntervalMs: 200 }
  const scheduler = createScheduler({ config, logger, metrics, chain, registry, ...connect('scheduler') })
  onTestFinished(async () => {
    await scheduler.stop()
    await chain.close()
  })
  await scheduler.start()
  return { chain, metrics }
}

async function startWorker() {
  const { broker } = connect('worker')
  await broker.start()
  const config = { name: 'worker', concurrency: 5 }
  const worker = createWorker({ config, logger, metrics: createMetrics('worker'), broker, registry })
  onTestFinished(() => worker.stop())
  await worker.start()
}

it('runs every task of a purged queue, each once, and goes on', async ({ skip }) => {
  const { managementUrl } = amqp
  if (managementUrl === undefined) return skip('the broker has no management API to purge a queue with')
  const { broker, database } = connect('test')
  await broker.start()
  const count = async (status: string): Promise<number> => {
    const [counted] = await database.query<{ count: number }>(
      'select count(*) as count from blockmill.task where status = $1',
      [status],
    )
    return counted?.count ?? 0
  }
  await startMonitor()
  const { chain, metrics } = await startScheduler()
  await waitFor(async () => (await count('scheduled')) === BLOCKS, { describe: 'all tasks to be on record' })

  const queue = topology.workQueue('default', 'normal')
  const vhost = encodeURIComponent(decodeURIComponent(new URL(amqp.url).pathname.slice(1)) || '/')
  await callManagement(managementUrl, 'DELETE', `/queues/${vhost}/${encodeURIComponent(queue)}/contents`)
  await startWorker()
  await waitFor(async () => (await count('succeeded')) === BLOCKS, {
    describe: 'all tasks to succeed',
    timeoutMs: 60_000,
  })
  expect(await metrics.metrics()).toContain(
    `blockmill_reconciled_tasks_total{chain="dev",task="counted",queue="default",service="scheduler"} ${BLOCKS}`,
  )
  chain.advance()
  await waitFor(async () => (await count('succeeded')) === BLOCKS + 1, { describe: 'the next block' })
  expect(runs).toEqual(new Map(Array.from({ length: BLOCKS + 1 }, (_, index) => [index + 1, 1])))
})

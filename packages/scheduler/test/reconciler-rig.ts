import { randomUUID } from 'node:crypto'
import { Writable } from 'node:stream'

import {
  argsHash,
  type Broker,
  type ControlReply,
  createBroker,
  createControl,
  createLogger,
  createMetrics,
  createSilentLogger,
  createTopology,
  type Database,
  defineTask,
  listenToControl,
  publishReply,
  taskId,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest'

import { createOverdueStore } from '../src/reconciler/overdue-store.ts'
import { createQueueSurvey } from '../src/reconciler/queue-survey.ts'
import { createReconciler, type ReconcilerOptions } from '../src/reconciler/reconciler.ts'
import { createSchedulerMetrics } from '../src/scheduler-metrics.ts'
import { createSql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'

const logger = createSilentLogger()
const ARGS = { netuid: 1 }

/** How long tasks must have waited. */
export const AFTER_MS = 10 * 60_000
export const SMALLEST_DELAY_MS = 1_000

/** The id of the test task for a block. */
export const idOf = (number: number): string => taskId({ chain: 'dev', task: 'a', args: ARGS, block: { number } })
export const ago = (ms: number): Date => new Date(Date.now() - ms)

/** Reconcilers on a real broker and a record of their own; each test has a queue of its own. Call it at the top of a test file. */
export function reconcilerRig() {
  const amqp = testBroker()
  const postgres = migratedDatabase()
  const topology = createTopology({ namespace: amqp.namespace })
  let database: Database
  let broker: Broker
  beforeAll(async () => {
    database = open(postgres.url)
    broker = createBroker({ url: amqp.url, topology, logger, connectionName: 'reconciler' })
    await broker.start()
  })
  afterAll(async () => {
    await broker.stop()
    await database.close()
  })

  let queue = ''
  let queues = 0
  /** Workers that answer. */
  let answering = 0
  beforeEach(async () => {
    answering = 0
    await database.query('truncate blockmill.task, blockmill.worker, blockmill.queue_state')
    queue = `queue-${(queues += 1)}`
    await broker.declare(topology.work(queue))
  })

  const work = () => topology.workQueue(queue, 'normal')
  const ready = async (name: string) => (await broker.depth(name))?.messages ?? 0

  /** Takes all messages off a queue. */
  async function drain(name: string): Promise<TaskMessage[]> {
    const messages: TaskMessage[] = []
    const expected = await ready(name)
    const subscription = await broker.consume({
      queue: name,
      prefetch: 1_000,
      onDelivery(delivery) {
        messages.push(taskMessageCodec.decode(delivery.body))
        delivery.ack()
      },
    })
    await waitFor(() => messages.length >= expected, { describe: `${expected} messages of ${name}` })
    await subscription.close()
    return messages
  }

  async function purge(name: string): Promise<void> {
    if (amqp.managementUrl === undefined) {
      await drain(name)
      return
    }
    const vhost = encodeURIComponent(decodeURIComponent(new URL(amqp.url).pathname.slice(1)) || '/')
    await callManagement(amqp.managementUrl, 'DELETE', `/queues/${vhost}/${encodeURIComponent(name)}/contents`)
  }

  /** Puts tasks on record as the monitor does, scheduled twice as long ago as is overdue. */
  async function record(numbers: readonly number[], changes: Record<string, unknown> = {}): Promise<void> {
    const row: Record<string, unknown> = {
      chain: 'dev',
      name: 'a',
      queue,
      lane: 'normal',
      priority: 10,
      args: JSON.stringify(ARGS),
      args_hash: argsHash(ARGS),
      cause: 'live',
      status: 'scheduled',
      attempt: 1,
      postpones: 0,
      max_attempts: 3,
      scheduled_at: ago(2 * AFTER_MS),
      changed_at: ago(2 * AFTER_MS),
      ...changes,
    }
    const columns = Object.keys(row)
    for (const number of numbers) {
      await database.query(
        `insert into blockmill.task (id, block_number, ${columns.join(', ')})
         values ($1, $2, ${columns.map((_, index) => `$${index + 3}`).join(', ')})`,
        [idOf(number), number, ...columns.map((column) => row[column])],
      )
    }
  }

  /** A worker that answers, as far as reconcilers ask. */
  async function startWorker({ buffered = 0, running = [] as number[], lastSeenAt = new Date(), answers = true } = {}) {
    const name = `worker-${randomUUID()}`
    const startedAt = ago(60 * 60_000)
    await database.query(
      `insert into blockmill.worker (name, host, pid, queues, concurrency, started_at, last_seen_at, state, running, rss_bytes, event_loop_lag_ms)
       values ($1, 'here', 1, $2, 1, $3, $4, 'running', '[]', 1, 0)`,
      [name, JSON.stringify([queue]), startedAt, lastSeenAt],
    )
    if (!answers) return name
    const listener = await listenToControl(broker, {
      logger,
      onMessage(message) {
        const reply: ControlReply = {
          type: 'worker-stats',
          v: 1,
          id: message.id,
          from: name,
          startedAt: startedAt.toISOString(),
          host: 'here',
          pid: 1,
          queues: [queue],
          concurrency: 1,
          rssBytes: 1,
          eventLoopLagMs: 0,
          buffered,
          paused: [],
          running: running.map((number) => ({
            taskId: idOf(number),
            chain: 'dev',
            task: 'a',
            attempt: 1,
            postpones: 0,
            startedAt: new Date().toISOString(),
          })),
        }
        void publishReply(broker, message, reply)
      },
    })
    answering += 1
    onTestFinished(() => listener.close())
    return name
  }

  function reconciler(changes: Partial<ReconcilerOptions> = {}) {
    const lines: { readonly msg: string }[] = []
    const destination = new Writable({
      write(line: Buffer, _, done) {
        lines.push(JSON.parse(line.toString()))
        done()
      },
    })
    const client = createControl({ broker, logger, waitMs: 200 })
    onTestFinished(() => client.close())
    // On a busy machine an answer may take longer: then they are asked again.
    const stats = () =>
      waitFor(
        async () => {
          const replies = await client.stats()
          return replies.length >= answering && replies
        },
        { describe: 'all workers to answer' },
      )
    const registry = createMetrics('scheduler')
    const metrics = createSchedulerMetrics({ registry, chain: 'dev', heights: () => [], backlog: () => [] })
    const definitions = [defineTask({ name: 'a', run: () => null })]
    const created = createReconciler({
      chain: 'dev',
      definitions,
      broker,
      survey: createQueueSurvey({ broker, smallestDelayMs: SMALLEST_DELAY_MS, now: Date.now }),
      control: { stats },
      store: createOverdueStore({ sql: createSql(database), chain: 'dev' }),
      logger: createLogger({ service: 'scheduler', destination }),
      metrics,
      afterMs: AFTER_MS,
      intervalMs: 60_000,
      batch: 500,
      now: Date.now,
      ...changes,
    })
    const signal = new AbortController().signal
    return { pass: () => created.pass(signal), registry, lines, created }
  }

  return {
    topology,
    broker: () => broker,
    database: () => database,
    queue: () => queue,
    work,
    ready,
    drain,
    purge,
    record,
    startWorker,
    reconciler,
  }
}

import { hostname } from 'node:os'

import {
  type AnyTaskDefinition,
  type Broker,
  type AnyChainAccess,
  type ChainSource,
  type Database,
  DEFAULT_QUEUE,
  type Logger,
  type Metrics,
  migrate,
  storeRetentions,
  RetryableError,
  type TaskRegistry,
  waitForDatabase,
  unlessAborted,
} from '@blockmill/core'

import { createBackfillStore } from './backfill/backfill-store.ts'
import { failureFields } from './failure-fields.ts'
import { backoffMs } from './backoff.ts'
import { bindGenesis } from './chain/genesis-binding.ts'
import { createHeadStore } from './chain/head-record.ts'
import { type Heads, HeadWatcher } from './chain/head-watcher.ts'
import { type CoverageStore, createCoverageStore } from './coverage/coverage-store.ts'
import type { StartMode } from './coverage/start-block.ts'
import { createJobStore } from './job/job-store.ts'
import { Leadership } from './leadership.ts'
import { leadWhileHeld } from './lease/lease.ts'
import { createQueuePressure, type QueuePressure } from './pressure/queue-pressure.ts'
import type { Reconciler } from './reconciler/reconciler.ts'
import { createSchedulerReconciler, type ReconcilerConfig } from './reconciler/scheduler-reconciler.ts'
import { createBranchStore } from './reorg/branch-store.ts'
import { createOrphanStore } from './reorg/orphan-store.ts'
import { createSchedulerMetrics, type SchedulerMetrics, type TaskHeight } from './scheduler-metrics.ts'
import { createSql, type Sql } from './sql.ts'
import { type SyncedTasks, syncTasks } from './synced-tasks.ts'
import { pause } from './wake-up.ts'
import { registerWorkQueueMetrics } from './work-queue-metrics.ts'

/** How a scheduler is set up. */
export interface SchedulerConfig extends ReconcilerConfig {
  /** The chain's name: part of every task id, bound to the chain's genesis hash. */
  readonly chain: string
  /** Default `resume`. */
  readonly start?: StartMode
  /** Longest time between two looks at the chain's head. Default 1,000 ms. */
  readonly pollIntervalMs?: number
  /** Without a new head for so long, the next endpoint is used. Default: ten times the time between blocks, at least 30 s. */
  readonly noNewHeadTimeoutMs?: number
  /** Attempts of tasks that set none. Default 3. */
  readonly maxAttempts?: number
  /** Blocks that are not at the head wait while the lane of their queue holds this many messages. Default 10,000. */
  readonly queueWindow?: number
  /**
   * Blocks looked back at and back-filled wait while more messages than this wait for the monitor. Most tell of tens of tasks.
   * Default 10,000.
   */
  readonly monitorLimit?: number
  /** Most blocks below the head whose hashes are kept, to find out which a reorganisation has replaced. Default 10,000. */
  readonly reorgWindow?: number
  /** How long `stop()` lets steps under way end before it gives them up. Default 5,000 ms. */
  readonly graceMs?: number
  /** How long a lease lasts that is not renewed. Default 6,000 ms. */
  readonly leaseTtlMs?: number
}

export interface SchedulerOptions {
  readonly config: SchedulerConfig
  readonly logger: Logger
  readonly metrics: Metrics
  /** Started by the scheduler, stopped by whoever made it. */
  readonly broker: Broker
  /** Migrated by the scheduler, closed by whoever made it. */
  readonly database: Database
  /** Started by the scheduler, closed by whoever made it. */
  readonly chain: ChainSource
  /**
   * What conditions read the chain through, and which kind of chain it is. Without it, a condition that reads the chain counts as
   * thrown, and tasks for all kinds of chains are scheduled.
   */
  readonly access?: AnyChainAccess
  readonly registry: TaskRegistry
  /** Unix milliseconds, for messages; default the system's clock. */
  readonly now?: () => number
}

/** Creates a scheduler; nothing happens before `start()`. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Scheduler(options)
}

/**
 * Schedules the tasks of one chain, block by block.
 *
 * New: nothing is connected. Starting: waits for the database, the broker and the chain, one log line for each failure, and
 * binds the chain's name to its genesis. Running: watches the head, and stands by or leads as the lease decides; whatever
 * goes away meanwhile is waited for. Stopped: by `stop()`, for good, and out of any other mode.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #sql: Sql
  readonly #store: CoverageStore
  readonly #metrics: SchedulerMetrics
  readonly #watcher: HeadWatcher
  readonly #pressure: QueuePressure
  readonly #stopping = new AbortController()
  /** Tasks that this process has put on record: the start mode does not apply to them a second time. */
  readonly #started = new Set<AnyTaskDefinition>()
  #reconciler: Reconciler | undefined
  #leadership: Leadership | undefined
  #starting: Promise<void> | undefined
  #running: Promise<void> | undefined

  constructor(options: SchedulerOptions) {
    const { broker, config, database, logger, metrics, chain, registry } = options
    this.#options = options
    this.#sql = createSql(database)
    this.#store = createCoverageStore({ sql: this.#sql, chain: config.chain })
    this.#metrics = createSchedulerMetrics({
      registry: metrics,
      chain: config.chain,
      heights: () => this.#heights(),
      backlog: () => this.#leadership?.backfillBacklog() ?? [],
      rangeBacklog: () => this.#leadership?.rangeBacklog(),
    })
    const queues = queuesOf({
      tasks: registry.list().map(({ definition }) => definition),
      rangeTasks: registry.listRangeTasks().map(({ definition }) => definition),
    })
    registerWorkQueueMetrics({ registry: metrics, broker, queues })
    this.#pressure = createQueuePressure({
      broker,
      window: config.queueWindow ?? 10_000,
      monitorLimit: config.monitorLimit ?? 10_000,
      onMonitorBehind: (isBehind, messages) => this.#monitorIsBehind(isBehind, messages),
    })
    this.#watcher = new HeadWatcher({
      source: chain,
      pollIntervalMs: config.pollIntervalMs ?? 1_000,
      noNewHeadTimeoutMs: config.noNewHeadTimeoutMs,
      onHeads: (heads) => this.#leadership?.follow(heads),
      onLook: (latest) => this.#leadership?.look(latest),
      logger,
      metrics: this.#metrics,
    })
  }

  /**
   * Resolves when the scheduler is running (leading or standing by), or was stopped meanwhile. Idempotent.
   *
   * @throws ConfigurationError what a person must put right: `CHAIN_WRONG_GENESIS`, `DATABASE_REFUSED`,
   * `DATABASE_SCHEMA_OUTDATED`, `BROKER_REFUSED`, `BROKER_TOPOLOGY_MISMATCH`. Nothing has been scheduled then.
   */
  async start(): Promise<void> {
    this.#starting ??= this.#start()
    await this.#starting
  }

  /** Ends steps under way, or gives them up after the grace period, and gives the lease back. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    // Whoever called start() has its error.
    await this.#starting?.catch(() => undefined)
    await this.#watcher.stop()
    await this.#running
  }

  /** True while this scheduler is the active one of its chain. */
  isLeading(): boolean {
    return this.#leadership !== undefined
  }

  /** What keeps the scheduler from scheduling, or from taking over at once; empty when it is ready. */
  async notReadyBecause(): Promise<readonly string[]> {
    const { broker, database, chain } = this.#options
    if (this.#stopping.signal.aborted) return ['the scheduler is stopping']
    const isRunning = this.#running !== undefined
    return [
      ...(isRunning ? [] : ['the scheduler is starting']),
      ...(broker.isReady() ? [] : ['the broker is not connected, or blocks publishing']),
      ...(chain.isHealthy() && (this.#watcher.isHealthy() || !isRunning) ? [] : ['the chain does not answer']),
      ...((await database.isHealthy()) ? [] : ['the database does not answer']),
    ]
  }

  async #start(): Promise<void> {
    const { config, logger, registry, broker, chain, access } = this.#options
    const { signal } = this.#stopping
    const failed = new AbortController()
    const tasks = syncTasks(registry, { chain: config.chain, chainKind: access?.kind }, logger)
    const connecting = AbortSignal.any([signal, failed.signal])
    try {
      await this.#declareQueues(tasks)
      await Promise.all([this.#migrateDatabase(connecting), broker.start(connecting), chain.start(connecting)])
      await this.#untilItWorks('it could not be put on record how long tasks are kept', () =>
        storeRetentions(this.#options.database.query, config.chain, [...tasks.tasks, ...tasks.rangeTasks]),
      )
      await this.#untilItWorks('the chain could not be bound to its genesis', async () =>
        bindGenesis(this.#sql, config.chain, await chain.genesisHash()),
      )
      signal.throwIfAborted()
      this.#watcher.start()
      this.#running = this.#run(tasks, await unlessAborted(this.#watcher.firstHeads, signal))
    } catch (error) {
      failed.abort()
      if (signal.aborted) return
      throw error
    }
  }

  async #migrateDatabase(signal: AbortSignal): Promise<void> {
    const { database, logger } = this.#options
    await waitForDatabase(database, { logger, signal })
    await this.#untilItWorks('the database could not be migrated', () => migrate(database, { logger }))
  }

  async #declareQueues(tasks: SyncedTasks): Promise<void> {
    const { broker } = this.#options
    // Before the broker is started it only takes note; it declares them on every connection that it opens.
    for (const queue of queuesOf(tasks)) await broker.declare(broker.topology.work(queue))
  }

  async #run(tasks: SyncedTasks, headsAtStart: Heads): Promise<void> {
    const { config, logger } = this.#options
    const { signal } = this.#stopping
    const { chain, leaseTtlMs } = config
    const holder = `${hostname()}:${process.pid}:${crypto.randomUUID().slice(0, 8)}`
    const lease = { sql: this.#sql, chain, holder, logger, ...(leaseTtlMs !== undefined && { ttlMs: leaseTtlMs }) }
    const { now = Date.now } = this.#options
    // One for all of its leaderships, because it remembers what it has published.
    this.#reconciler = createSchedulerReconciler({
      ...this.#options,
      metrics: this.#metrics,
      sql: this.#sql,
      definitions: [...tasks.tasks, ...tasks.rangeTasks],
      now,
    })
    while (!signal.aborted) {
      try {
        await leadWhileHeld(lease, signal, (token, lost) =>
          this.#lead(this.#newLeadership(tasks, headsAtStart, token), headsAtStart, lost),
        )
      } catch (error) {
        if (signal.aborted) return
        logger.error({ err: error, retryInMs: 1_000 }, 'scheduling was interrupted; trying again')
        await pause(1_000, signal)
      }
    }
  }

  #newLeadership({ tasks, rangeTasks }: SyncedTasks, headsAtStart: Heads, token: number) {
    const { config, access, chain, now = Date.now } = this.#options
    return new Leadership({
      ...this.#options,
      chain: config.chain,
      source: chain,
      access,
      metrics: this.#metrics,
      store: this.#store,
      backfills: createBackfillStore({ sql: this.#sql, chain: config.chain, token }),
      headStore: createHeadStore({ sql: this.#sql, chain: config.chain }),
      branches: createBranchStore({ sql: this.#sql, chain: config.chain }),
      orphans: createOrphanStore({ sql: this.#sql, chain: config.chain }),
      reorgWindow: config.reorgWindow,
      onRewind: (latest) => this.#watcher.rewind(latest),
      rangeJobs: createJobStore({ sql: this.#sql, chain: config.chain, token }),
      definitions: tasks,
      rangeDefinitions: rangeTasks,
      reconciler: this.#reconciler,
      defaultMaxAttempts: config.maxAttempts ?? 3,
      pressure: this.#pressure,
      now,
      headsAtStart,
      startMode: config.start ?? 'resume',
      started: this.#started,
      token,
    })
  }

  async #lead(leadership: Leadership, headsAtStart: Heads, lost: AbortSignal): Promise<void> {
    const { graceMs = 5_000 } = this.#options.config
    const { signal } = this.#stopping
    let grace: NodeJS.Timeout | undefined
    const abandon = (): void => leadership.abandon()
    const stop = (): void => {
      leadership.stop()
      grace = setTimeout(abandon, graceMs)
    }
    lost.addEventListener('abort', abandon)
    signal.addEventListener('abort', stop)
    this.#leadership = leadership
    this.#metrics.leading(true)
    try {
      if (signal.aborted) return
      await leadership.run(() => this.#watcher.heads ?? headsAtStart)
    } finally {
      this.#leadership = undefined
      this.#metrics.leading(false)
      signal.removeEventListener('abort', stop)
      clearTimeout(grace)
    }
  }

  /** Does a step of the start, again and again until it is done, fails for good, or the scheduler is stopped. */
  async #untilItWorks(failure: string, step: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await unlessAborted(step(), signal)
        return
      } catch (error) {
        if (signal.aborted || !(error instanceof RetryableError)) throw error
        const retryInMs = backoffMs(failures)
        this.#options.logger.warn({ ...failureFields(error), retryInMs }, `${failure}; trying again`)
        await pause(retryInMs, signal)
      }
    }
  }

  #monitorIsBehind(isBehind: boolean, messages: number): void {
    const { logger } = this.#options
    this.#metrics.monitorBehind(isBehind)
    if (isBehind) {
      logger.warn({ messages }, 'the monitor is far behind: lookback and back-fill wait until it has caught up')
    } else {
      logger.info({ messages }, 'the monitor has caught up: lookback and back-fill go on')
    }
  }

  #heights(): TaskHeight[] {
    const heads = this.#watcher.heads
    if (heads === undefined) return []
    return (this.#leadership?.followedTasks() ?? []).map(({ definition: { name, head }, height }) => ({
      task: name,
      height,
      head: heads[head].number,
      lagSeconds: this.#watcher.lagSeconds(head, height),
    }))
  }
}

/** Queues that tasks are published to. */
function queuesOf({ tasks, rangeTasks }: SyncedTasks): readonly string[] {
  const used = [
    ...tasks.flatMap(({ queue, backfill }) => [queue, backfill.queue]),
    ...rangeTasks.map(({ queue }) => queue),
  ]
  return [...new Set([DEFAULT_QUEUE, ...used])]
}

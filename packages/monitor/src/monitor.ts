import { setTimeout as delay } from 'node:timers/promises'

import {
  type Broker,
  createResultSinks,
  type Database,
  listen,
  type Logger,
  type Metrics,
  migrate,
  RetryableError,
  waitForDatabase,
  within,
} from '@blockmill/core'
import type { FastifyInstance } from 'fastify'

import { createMonitorControl, type MonitorControl } from './control/monitor-control.ts'
import { createApp } from './http/app.ts'
import { assertProtected } from './http/loopback.ts'
import { createDeadLetterMetrics } from './recorder/dead-letter-metrics.ts'
import { createDeadLetterRecorder, type DeadLetterRecorder } from './recorder/dead-letter-recorder.ts'
import { createRecorder, type Recorder, type RecorderOptions } from './recorder/recorder.ts'
import { createBury } from './recorder/bury.ts'
import { createStorage } from './recorder/storage.ts'
import { createResultMetrics } from './results/result-metrics.ts'
import { createResultPruner } from './results/result-pruner.ts'
import { createResultRecorder, type ResultRecorder } from './results/result-recorder.ts'
import { type Access, createAccess, type Tokens } from './security/access.ts'
import { createLoginMetrics, type LoginMetrics } from './security/login-metrics.ts'
import { registerRecordMetrics } from './statistics/record-metrics.ts'
import { createPruner } from './retention/pruner.ts'
import type { RecurringWork } from './retention/recurring-work.ts'
import { createStatistics, type Statistics } from './statistics/statistics.ts'

/** Where the monitor serves, and how it records. */
export interface MonitorConfig extends Tokens, Pick<RecorderOptions, 'prefetch' | 'batch' | 'spacingMs'> {
  /** An address of this machine alone, unless there is a token. */
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. Default none. */
  readonly trustedProxies?: readonly string[]
  /** For how many days finished tasks are kept; 0, which is the default, for ever. */
  readonly retentionDays?: number
  /** Queues whose tasks are deleted as soon as may be after they have succeeded. Default none. */
  readonly deleteOnComplete?: readonly string[]
  /** Folder of the rows of range jobs that keep them in files. Default: none, and such rows wait in the broker. */
  readonly resultsDir?: string
}

export interface MonitorOptions {
  readonly config: MonitorConfig
  readonly logger: Logger
  readonly metrics: Metrics
  readonly broker: Broker
  readonly database: Database
  readonly now?: () => Date
}

/** Records every task, and shows the record. */
export interface Monitor {
  /**
   * Serves at once, so that health checks can say what is missing; then waits for the broker and the database, migrates,
   * and records. Idempotent.
   *
   * @returns the address it serves on.
   * @throws ConfigurationError `CONFIG_INVALID` for an address that is taken, or is not this machine's alone and needs
   * no token; `BROKER_REFUSED`, `DATABASE_REFUSED`, `DATABASE_SCHEMA_OUTDATED`; the signal's reason when it aborts.
   */
  start(signal?: AbortSignal): Promise<string>
  /**
   * Stores what was delivered, closes the server, leaves broker and database open. A write that takes longer than 5 s is not
   * waited for: what it was to store is not acked. Idempotent, also during `start`.
   */
  stop(): Promise<void>
}

/**
 * See `Monitor`; nothing happens before `start()`.
 *
 * @throws ConfigurationError `CONFIG_INVALID` when one token is for viewers and for operators.
 */
export function createMonitor(options: MonitorOptions): Monitor {
  return new MonitorService(options)
}

/** After a database that went away in the middle of a migration. */
const MIGRATE_AGAIN_MS = 1_000

/** For what is being written. */
const STOP_WITHIN_MS = 5_000

const SERVING_WITH_TOKENS = 'serving the status page and the API, for those who have a token'
const SERVING_WITHOUT_TOKENS = 'serving the status page and the API, for this machine only, because no token is set'

class MonitorService implements Monitor {
  readonly #options
  readonly #now
  readonly #access: Access
  readonly #loginMetrics: LoginMetrics
  readonly #recorder: Recorder
  readonly #deadLetters: DeadLetterRecorder
  readonly #statistics: Statistics
  readonly #control: MonitorControl
  readonly #pruner: RecurringWork
  readonly #results: ResultRecorder
  readonly #resultPruner: RecurringWork
  readonly #stopping = new AbortController()
  #isPrepared = false
  #app: FastifyInstance | undefined
  #starting: Promise<string> | undefined
  #stopped: Promise<void> | undefined

  constructor(options: MonitorOptions) {
    const { broker, database, logger, metrics, config, now = () => new Date() } = options
    this.#options = options
    this.#now = now
    this.#access = createAccess(config)
    this.#loginMetrics = createLoginMetrics(metrics)
    this.#recorder = createRecorder({ broker, database, logger, metrics, ...config })
    const storage = createStorage({ database, logger, onRetry: () => undefined })
    const deadLetters = createDeadLetterMetrics(metrics)
    this.#deadLetters = createDeadLetterRecorder({
      broker,
      storage,
      logger,
      onRecorded: (letter) => deadLetters.recorded(letter),
    })
    this.#control = createMonitorControl({ broker, database, storage, logger, now })
    this.#statistics = createStatistics({ database, logger, now })
    this.#pruner = createPruner({
      database,
      logger,
      metrics,
      retentionDays: config.retentionDays ?? 0,
      deleteOnComplete: config.deleteOnComplete,
      isRecordUpToDate: async () => (await broker.depth(broker.topology.monitorQueue))?.messages === 0,
      now,
    })
    const sinks = createResultSinks({ resultsDir: config.resultsDir })
    const results = { database, sinks, logger, metrics: createResultMetrics(metrics) }
    this.#results = createResultRecorder({ ...results, broker, bury: createBury({ broker, logger }) })
    this.#resultPruner = createResultPruner({ ...results, resultsDir: config.resultsDir })
    registerRecordMetrics({ metrics, broker, statistics: this.#statistics, now })
  }

  start(signal?: AbortSignal): Promise<string> {
    this.#starting ??= this.#start(signal)
    return this.#starting
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(signal: AbortSignal | undefined): Promise<string> {
    const { config, broker, database, logger, metrics } = this.#options
    const stopping = AbortSignal.any([this.#stopping.signal, ...(signal === undefined ? [] : [signal])])
    assertProtected(config.host, this.#access)
    this.#app = await createApp({
      database,
      logger,
      metrics,
      statistics: this.#statistics,
      broker,
      now: this.#now,
      access: this.#access,
      loginMetrics: this.#loginMetrics,
      resultsDir: config.resultsDir,
      ...(config.trustedProxies !== undefined && { trustedProxies: config.trustedProxies }),
      notReadyBecause: () => this.#notReadyBecause(),
    })
    const url = await listen(this.#app, config)
    logger.info({ url }, this.#access.needsToken ? SERVING_WITH_TOKENS : SERVING_WITHOUT_TOKENS)
    await Promise.all([broker.start(stopping), this.#prepareDatabase(stopping)])
    stopping.throwIfAborted()
    await Promise.all([
      this.#recorder.start(),
      this.#deadLetters.start(),
      this.#results.start(),
      this.#statistics.start(),
      this.#control.start(),
    ])
    this.#pruner.start()
    this.#resultPruner.start()
    logger.info({ queue: broker.topology.monitorQueue }, 'recording')
    return url
  }

  async #prepareDatabase(signal: AbortSignal): Promise<void> {
    const { database, logger } = this.#options
    while (!this.#isPrepared) {
      await waitForDatabase(database, { logger, signal })
      try {
        await migrate(database, { logger })
        this.#isPrepared = true
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error
        logger.warn({ reason: error.message, retryInMs: MIGRATE_AGAIN_MS }, 'the database could not be migrated')
        await delay(MIGRATE_AGAIN_MS, undefined, { signal })
      }
    }
  }

  async #notReadyBecause(): Promise<string[]> {
    const { database } = this.#options
    return [
      ...(this.#options.broker.isReady() ? [] : ['the broker is not connected, or does not take messages']),
      ...(this.#isPrepared ? [] : ['the database has not been reached yet']),
      ...(this.#recorder.isReady()
        ? []
        : ['nothing is recorded: the recorder does not consume, or the database is away']),
      ...(this.#results.isReady() ? [] : ['rows of range jobs are not stored: the database or their folder is away']),
      ...(!this.#isPrepared || (await database.isHealthy()) ? [] : ['the database does not answer']),
    ]
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error('the monitor stops'))
    if (!(await within(STOP_WITHIN_MS, this.#stopParts()))) {
      this.#options.logger.warn({ stopWithinMs: STOP_WITHIN_MS }, 'the database does not answer; stopping without it')
    }
    await this.#app?.close()
  }

  async #stopParts(): Promise<void> {
    // A start that failed has been reported to whoever asked for it.
    await this.#starting?.catch(() => undefined)
    await Promise.all([
      this.#recorder.stop(),
      this.#deadLetters.stop(),
      this.#results.stop(),
      this.#statistics.stop(),
      this.#control.stop(),
      this.#pruner.stop(),
      this.#resultPruner.stop(),
    ])
  }
}

import type { Database, Logger, Metrics } from '@blockmill/core'
import { Counter, Histogram } from 'prom-client'

import { pruneAudit } from '../security/prune-audit.ts'
import { retentionCutoff } from './cutoff.ts'
import { pruneTasks } from './prune-tasks.ts'

const INTERVAL_MS = 10 * 60 * 1_000

export interface PrunerOptions {
  readonly database: Database
  readonly logger: Logger
  readonly metrics: Metrics
  /** For how many days finished tasks are kept; 0 for ever. */
  readonly retentionDays: number
  readonly now?: () => Date
  /** From the end of one run to the beginning of the next. Default 10 min. */
  readonly intervalMs?: number
  /** Most tasks of one transaction. Default 5,000. */
  readonly batchRows?: number
}

/**
 * Deletes old tasks and old entries of the audit log from time to time; see `pruneTasks` and `pruneAudit`. In several monitors at
 * once, one deletes the tasks.
 */
export interface Pruner {
  /** Begins the first run, and does not wait for it. Idempotent. */
  start(): void
  /** Resolves when the batch that is under way is committed. Idempotent. */
  stop(): Promise<void>
}

/** See `Pruner`; nothing happens before `start()`, and nothing at all when tasks are kept for ever. */
export function createPruner(options: PrunerOptions): Pruner {
  const { database, logger, retentionDays, now = () => new Date(), intervalMs = INTERVAL_MS, batchRows } = options
  const { deleted, seconds } = createPrunerMetrics(options.metrics)
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  const run = async (): Promise<void> => {
    const end = seconds.startTimer()
    try {
      const { deletedCount, cutoff } = await pruneTasks(database, {
        cutoff: retentionCutoff(retentionDays, now()),
        signal: stopping.signal,
        whenBusy: 'leave',
        onBatch: (count) => deleted.inc(count),
        ...(batchRows !== undefined && { batchRows }),
      })
      await pruneAudit(database, { now: now(), signal: stopping.signal })
      if (deletedCount > 0) logger.info({ deletedCount, cutoff: cutoff.toISOString() }, 'old tasks deleted')
    } catch (error) {
      logger.warn({ err: error, retryInMs: intervalMs }, 'old tasks could not be deleted; what was deleted so far is')
    }
    end()
    if (!stopping.signal.aborted) timer = setTimeout(next, intervalMs)
  }
  const next = (): void => {
    running = run()
  }

  return {
    start() {
      if (retentionDays > 0 && running === undefined && !stopping.signal.aborted) next()
    },
    async stop() {
      stopping.abort(new Error('the pruner stops'))
      clearTimeout(timer)
      await running
    },
  }
}

function createPrunerMetrics(register: Metrics) {
  const registers = [register]
  return {
    deleted: new Counter({
      name: 'blockmill_pruned_tasks_total',
      help: 'Tasks deleted from the record, because they finished longer ago than tasks are kept.',
      registers,
    }),
    seconds: new Histogram({
      name: 'blockmill_prune_seconds',
      help: 'Time that one look for old tasks took, with the deletion of all that were found.',
      buckets: [0.01, 0.1, 1, 10, 60, 300, 1_800],
      registers,
    }),
  }
}

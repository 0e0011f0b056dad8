import { type Database, type Logger, removeResultFiles, type ResultSinks } from '@blockmill/core'

import { createRecurringWork, type RecurringWork } from '../retention/recurring-work.ts'
import { type JobWithParts, jobsWithParts, pruneParts } from './prune-parts.ts'
import type { ResultMetrics } from './result-metrics.ts'

const INTERVAL_MS = 10 * 60 * 1_000

export interface ResultPrunerOptions {
  readonly database: Database
  readonly sinks: ResultSinks
  /** Folder of the files: what is left there of a job that was deleted goes with its last part. */
  readonly resultsDir?: string | undefined
  readonly logger: Logger
  readonly metrics: Pick<ResultMetrics, 'pruned'>
  /** From the end of one run to the beginning of the next. Default 10 min. */
  readonly intervalMs?: number
}

/** Deletes parts of rows that do not count, from time to time; see `pruneParts`. Several may run at once. */
export function createResultPruner(options: ResultPrunerOptions): RecurringWork {
  const { database, sinks, resultsDir, logger, metrics, intervalMs = INTERVAL_MS } = options
  /** Jobs that had finished when they were looked through, by when they had: nothing changes in them until they go on. */
  const done = new Map<string, number>()

  async function pruneJob(job: JobWithParts, signal: AbortSignal): Promise<void> {
    const finishedAt = job.finishedAt?.getTime()
    if (finishedAt !== undefined && done.get(job.job) === finishedAt) return
    const deleted = await pruneParts(database, sinks, job, signal)
    if (!job.exists && resultsDir !== undefined) await removeResultFiles(resultsDir, job.job)
    metrics.pruned(deleted)
    if (deleted > 0) logger.info({ job: job.job, parts: deleted }, 'rows that do not count deleted')
    if (finishedAt !== undefined) done.set(job.job, finishedAt)
  }

  async function work(signal: AbortSignal): Promise<void> {
    try {
      const jobs = await jobsWithParts(database)
      const present = new Set(jobs.map(({ job }) => job))
      for (const job of done.keys()) if (!present.has(job)) done.delete(job)
      for (const job of jobs) await pruneJob(job, signal)
    } catch (error) {
      logger.warn({ err: error, retryInMs: intervalMs }, 'rows that do not count could not be deleted')
    }
  }

  return createRecurringWork({ work, intervalMs })
}

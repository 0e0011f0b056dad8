import { type Database, type Logger, removeResultFiles, type ResultSinks } from '@blockmill/core'

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
export interface ResultPruner {
  /** Begins the first run, and does not wait for it. Idempotent. */
  start(): void
  /** Resolves when the statement that is under way has ended. Idempotent. */
  stop(): Promise<void>
}

/** See `ResultPruner`; nothing happens before `start()`. */
export function createResultPruner(options: ResultPrunerOptions): ResultPruner {
  const { database, sinks, resultsDir, logger, metrics, intervalMs = INTERVAL_MS } = options
  const stopping = new AbortController()
  /** Jobs that had finished when they were looked through, by when they had: nothing changes in them until they go on. */
  const done = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  async function pruneJob(job: JobWithParts): Promise<void> {
    const finishedAt = job.finishedAt?.getTime()
    if (finishedAt !== undefined && done.get(job.job) === finishedAt) return
    const deleted = await pruneParts(database, sinks, job, stopping.signal)
    if (!job.exists && resultsDir !== undefined) await removeResultFiles(resultsDir, job.job)
    metrics.pruned(deleted)
    if (deleted > 0) logger.info({ job: job.job, parts: deleted }, 'rows that do not count deleted')
    if (finishedAt !== undefined) done.set(job.job, finishedAt)
  }

  async function run(): Promise<void> {
    try {
      const jobs = await jobsWithParts(database)
      const present = new Set(jobs.map(({ job }) => job))
      for (const job of done.keys()) if (!present.has(job)) done.delete(job)
      for (const job of jobs) await pruneJob(job)
    } catch (error) {
      logger.warn({ err: error, retryInMs: intervalMs }, 'rows that do not count could not be deleted')
    }
    if (!stopping.signal.aborted) timer = setTimeout(next, intervalMs)
  }
  const next = (): void => {
    running = run()
  }

  return {
    start() {
      if (running === undefined && !stopping.signal.aborted) next()
    },
    async stop() {
      stopping.abort(new Error('the pruner of rows stops'))
      clearTimeout(timer)
      await running
    },
  }
}

import { setTimeout as delay } from 'node:timers/promises'

import type { Database } from '../database/database.ts'
import { readResults, type ReadResultsOptions } from '../results/read-results.ts'
import type { AnyRangeTaskDefinition, RangeTaskDefinition } from '../task/define-range-task.ts'
import type { JsonObject } from '../task/json.ts'
import { argsProblems } from '../task/task-args.ts'
import { isRangeJobOver } from './job-state.ts'
import { createRangeJob, invalidRangeJob, rangeJobProblems, type RangeJobRequest, tooManyBatches } from './range-job.ts'
import type { RangeJobDetail, RangeJobSummary } from './range-job-view.ts'
import { createRangeJobs, type RangeJobs } from './range-jobs.ts'

/** How a range task is to be run. */
export interface RunOptions<Args> extends Omit<RangeJobRequest, 'chain' | 'task' | 'args' | 'createdBy'> {
  readonly args?: Args | undefined
}

/** A range job, for whoever waits for it. The job itself is durable: it goes on when this process ends. */
export interface RangeJobHandle {
  readonly id: string
  /** @throws NonRetryableError `RANGE_JOB_UNKNOWN` once it is deleted. */
  status(): Promise<RangeJobDetail>
  /**
   * Resolves when the job is over: completed, completed with failures (`missing` says which blocks), or cancelled. A paused job is
   * waited for. `onProgress` is called with each look at the record, about once a second.
   *
   * @throws the signal's reason when it aborts; the job goes on.
   */
  wait(options?: WaitOptions): Promise<RangeJobDetail>
  /** The rows of the job in the order of its blocks; see `readResults`. */
  results(options?: ReadResultsOptions): AsyncIterable<JsonObject>
  /** The orders throw NonRetryableError `RANGE_JOB_CONFLICT` when the job's state does not allow them. */
  pause(): Promise<RangeJobSummary>
  resume(): Promise<RangeJobSummary>
  cancel(): Promise<RangeJobSummary>
  retryFailed(): Promise<RangeJobSummary>
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((job: RangeJobSummary) => void) | undefined
}

/** Starts range jobs, and finds those that were started. */
export interface Coordinator {
  /**
   * Puts a job on record; the scheduler that leads the chain runs it.
   *
   * @throws NonRetryableError `RANGE_JOB_INVALID` that names every rule that the request breaks.
   */
  run<Args extends JsonObject>(
    task: Pick<RangeTaskDefinition<Args, never, never>, 'name' | 'schema' | 'batchSize'>,
    options: RunOptions<Args>,
  ): Promise<RangeJobHandle>
  /** The job with this id. It is not looked up before it is asked for something. */
  job(id: string): RangeJobHandle
}

export interface CoordinatorOptions {
  /** With the current schema. */
  readonly database: Pick<Database, 'query'>
  /** The chain whose scheduler runs the jobs. */
  readonly chain: string
  /** Who starts the jobs, for the record. Default `coordinator`. */
  readonly createdBy?: string
  /** The folder of result files, for jobs with the sink `ndjson`. */
  readonly resultsDir?: string
  /** Time between two looks at the record while a job is waited for. Default 1,000 ms. */
  readonly pollMs?: number
  /** Default the system's clock. */
  readonly now?: () => Date
}

export function createCoordinator({
  database,
  chain,
  createdBy = 'coordinator',
  resultsDir,
  pollMs = 1_000,
  now = () => new Date(),
}: CoordinatorOptions): Coordinator {
  const jobs = createRangeJobs(database)
  const handle = (id: string): RangeJobHandle => ({
    id,
    status: () => jobs.detail(id),
    wait: (options) => waitForJob(jobs, id, pollMs, options),
    results: (options) => readResults(database, id, { ...(resultsDir !== undefined && { resultsDir }), ...options }),
    pause: () => jobs.order(id, 'pause'),
    resume: () => jobs.order(id, 'resume'),
    cancel: () => jobs.order(id, 'cancel'),
    retryFailed: () => jobs.order(id, 'retry-failed'),
  })
  return {
    job: handle,
    async run(task, { args, ...options }) {
      const request = { ...options, chain, task: task.name, args: args ?? {}, createdBy }
      const problems = new Set([
        ...rangeJobProblems(request).map(({ message }) => message),
        ...definitionProblems(task, request),
      ])
      if (problems.size > 0) throw invalidRangeJob([...problems])
      const job = createRangeJob(request, now())
      await jobs.create(job)
      return handle(job.id)
    },
  }
}

/** What a definition says against a request: its schema refuses the arguments, or its batches would be too many. */
export function definitionProblems(
  { schema, batchSize }: Pick<AnyRangeTaskDefinition, 'schema' | 'batchSize'>,
  { from, to, args, batchSize: asked }: Pick<RangeJobRequest, 'from' | 'to' | 'args' | 'batchSize'>,
): readonly string[] {
  const tooMany = tooManyBatches(to - from + 1, asked ?? batchSize)
  return [...argsProblems(args ?? {}, schema), ...(tooMany === undefined ? [] : [tooMany])]
}

async function waitForJob(
  jobs: RangeJobs,
  id: string,
  pollMs: number,
  { signal, onProgress }: WaitOptions = {},
): Promise<RangeJobDetail> {
  for (;;) {
    signal?.throwIfAborted()
    const job = await jobs.summary(id)
    onProgress?.(job)
    if (isRangeJobOver(job.state)) return jobs.detail(id)
    await delay(pollMs, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      signal?.throwIfAborted()
      throw error
    })
  }
}

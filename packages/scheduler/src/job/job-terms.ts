import {
  type AnyRangeTaskDefinition,
  argsProblems,
  DEFAULT_BATCH_WINDOW,
  DEFAULT_PRIORITY,
  type Lane,
  laneOf,
  rangeSize,
  type RangeJob,
  tooManyBatches,
} from '@blockmill/core'

/** How a job is run: what it says itself, and what its task says where it does not. */
export interface JobTerms {
  readonly batchSize: number
  readonly minBatch: number
  readonly window: number
  readonly queue: string
  readonly lane: Lane
  readonly priority: number
  readonly maxAttempts: number
  /** True when its blocks must be final before they are asked for: its task reads this chain. */
  readonly needsFinality: boolean
}

/** @param defaultMaxAttempts where neither job nor task says. */
export function termsOf(job: RangeJob, definition: AnyRangeTaskDefinition, defaultMaxAttempts: number): JobTerms {
  const priority = job.priority ?? definition.priority
  const batchSize = job.batchSize ?? definition.batchSize
  return {
    batchSize,
    minBatch: Math.min(batchSize, job.minBatch ?? definition.minBatch),
    window: job.window ?? DEFAULT_BATCH_WINDOW,
    queue: job.queue ?? definition.queue,
    lane: priority === undefined ? 'low' : laneOf(priority),
    priority: priority ?? DEFAULT_PRIORITY,
    maxAttempts: job.maxAttempts ?? definition.retry.maxAttempts ?? defaultMaxAttempts,
    needsFinality: definition.chainKind !== 'any',
  }
}

/** Why a job cannot run here, and what to do; `undefined` when it can. */
export function obstacleOf(job: RangeJob, definition: AnyRangeTaskDefinition | undefined): string | undefined {
  if (definition === undefined) {
    return `it waits: the scheduler that leads chain '${job.chain}' knows no range task '${job.task}'; deploy it there, or cancel this job`
  }
  const problems = argsProblems(job.args, definition.schema)
  const tooMany = tooManyBatches(rangeSize(job), job.batchSize ?? definition.batchSize)
  if (tooMany !== undefined) problems.push(tooMany)
  if (problems.length === 0) return undefined
  return `it waits: task '${job.task}' does not take it: ${problems.join('; ')}; cancel this job and start it anew`
}

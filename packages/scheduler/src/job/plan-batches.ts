import { type BlockRange, type RangeJob, rangeSize, taskId } from '@blockmill/core'

import type { PlannedBatch } from './batch.ts'
import type { JobTerms } from './job-terms.ts'

type Planned = Pick<RangeJob, 'id' | 'chain' | 'task' | 'args' | 'from' | 'to'>

/**
 * The next batches of a job, as `splitRange` of all of it would have them.
 *
 * @param plannedTo the last block that is in a batch already; `undefined` at first.
 * @param most how many.
 */
export function planBatches(
  job: Planned,
  { batchSize }: Pick<JobTerms, 'batchSize'>,
  plannedTo: number | undefined,
  most: number,
): PlannedBatch[] {
  const batches: PlannedBatch[] = []
  let from = plannedTo === undefined ? job.from : plannedTo + 1
  while (from <= job.to && batches.length < most) {
    const to = Math.min(from + batchSize - 1, job.to)
    const number = Math.floor((from - job.from) / batchSize) + 1
    batches.push({ from, to, number, taskId: batchTaskId(job, { from, to }), maxAttempts: null })
    from = to + 1
  }
  return batches
}

/**
 * The pieces of a batch, with its number.
 *
 * @param isBisection they look for the block that fails: each is tried once, until it is as small as it gets and is worth all of
 * the attempts. Other pieces have as many as the batch had.
 */
export function planPieces(
  job: Planned,
  { minBatch }: Pick<JobTerms, 'minBatch'>,
  batch: Pick<PlannedBatch, 'number' | 'maxAttempts'>,
  pieces: readonly BlockRange[],
  isBisection: boolean,
): PlannedBatch[] {
  return pieces.map((range) => {
    const tries = isBisection ? 1 : batch.maxAttempts
    const maxAttempts = rangeSize(range) <= minBatch ? null : tries
    return { ...range, number: batch.number, taskId: batchTaskId(job, range), maxAttempts }
  })
}

function batchTaskId({ id: job, chain, task, args }: Planned, range: BlockRange): string {
  return taskId({ chain, task, args, range, job })
}

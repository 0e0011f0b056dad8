import type { SerializedError } from '../errors/serialized-error.ts'
import type { BlockRange, BlockSet } from '../range/block-range.ts'
import type { Json } from '../task/json.ts'
import type { BatchState } from './batch-state.ts'
import type { JobPace } from './job-pace.ts'
import type { RangeJob } from './range-job.ts'

/** How far a range job is, counted from the states of its batches. */
export interface RangeJobProgress extends JobPace {
  /** Blocks of batches that have succeeded. */
  readonly done: number
  /** Blocks of the job. */
  readonly total: number
  /** Batches in each state. Those that the scheduler has not planned yet are in none. */
  readonly batches: Readonly<Record<BatchState, number>>
  /** Rows of batches that have succeeded. */
  readonly rows: number
  /** Rows in a second over the last minute; 0 while it is not running. */
  readonly rowsPerSecond: number
}

/** A range job with its progress. */
export interface RangeJobSummary extends RangeJob, RangeJobProgress {}

/** A batch, as it is on record. */
export interface RangeBatch extends BlockRange {
  /** `batch_0001_<from>_<to>`; the pieces of a batch have its number. */
  readonly id: string
  /** How often it was cut out of a larger one. */
  readonly depth: number
  readonly state: BatchState
  /** Its task, under whose id attempts, logs and errors are found. */
  readonly taskId: string
  /** How often it was dispatched. */
  readonly tries: number
  readonly rows: number | null
  /** What its handler returned. */
  readonly value: Json | undefined
  readonly error: SerializedError | null
  readonly dispatchedAt: Date | null
  readonly finishedAt: Date | null
}

/** Everything that is on record of a range job. */
export interface RangeJobDetail extends RangeJobSummary {
  /**
   * Blocks whose batches have failed or were cancelled, merged and ascending; of a cancelled job also those that were never
   * dispatched. The first 1,000 ranges: `isCut` says whether there are more.
   */
  readonly missing: { readonly blocks: number; readonly ranges: BlockSet; readonly isCut: boolean }
}

/** Which batches of a job to list. */
export interface BatchPage {
  readonly states?: readonly BatchState[] | undefined
  /** Batches whose first block is above this one: the last one of the page before. */
  readonly after?: number | undefined
  /** Default 100. A few more come where a batch and its pieces begin with the same block. */
  readonly limit?: number | undefined
}

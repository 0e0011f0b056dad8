import type { JobPace } from '../job/job-pace.ts'
import type { BlockSet } from '../range/block-range.ts'
import type { JsonObject } from '../task/json.ts'
import type { BackfillJob } from './backfill-job.ts'

/** How far a back-fill job is. */
export interface BackfillProgress extends JobPace {
  /** Blocks that were evaluated, over all sets of arguments. */
  readonly done: number
  /** Blocks that it is for, without those that were covered before; null until it has started. */
  readonly total: number | null
  /** Tasks that it has scheduled. */
  readonly scheduled: number
}

/** A back-fill job with its progress. */
export interface BackfillSummary extends BackfillJob, BackfillProgress {}

/** The progress of one set of arguments. */
export interface BackfillPart {
  readonly argsHash: string
  readonly args: JsonObject
  readonly done: number
  readonly total: number
  readonly scheduled: number
  /** The first blocks that are not evaluated, ascending; `isCut` says whether there are more. */
  readonly missing: { readonly ranges: BlockSet; readonly isCut: boolean }
}

/** The tasks of a job, as they are on record. A task that was scheduled a moment ago may not be there yet. */
export interface BackfillTasks {
  readonly succeeded: number
  /** They wait or run. */
  readonly unfinished: number
  /** They failed for good, or could not be executed at all. */
  readonly failed: number
  /** They were cancelled, or a reorganisation removed their block. */
  readonly dropped: number
}

/** Everything that is on record of a back-fill job. */
export interface BackfillDetail extends BackfillSummary {
  readonly parts: readonly BackfillPart[]
  readonly tasks: BackfillTasks
}

import type { BlockSet } from '../range/block-range.ts'
import type { JsonObject } from '../task/json.ts'
import type { BackfillJob } from './backfill-job.ts'

/** How far a back-fill job is. */
export interface BackfillProgress {
  /** Blocks that were evaluated, over all sets of arguments. */
  readonly done: number
  /** Blocks that it is for, without those that were covered before; null until it has started. */
  readonly total: number | null
  /** Tasks that it has scheduled. */
  readonly scheduled: number
  /** Blocks in a second over the last minute; 0 while it is not running. */
  readonly blocksPerSecond: number
  /** Until it is done at that rate; null when nobody can tell. */
  readonly etaSeconds: number | null
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

/** A rate that was reported longer ago than this is of a scheduler that has gone. */
const RATE_VALID_MS = 15_000

/** What the rate on record is worth now, and how long the rest takes at that rate. */
export function backfillPace(
  { done, total, state }: Pick<BackfillSummary, 'done' | 'total' | 'state'>,
  reported: { readonly blocksPerSecond: number | null; readonly at: Date | null },
  now: Date,
): Pick<BackfillProgress, 'blocksPerSecond' | 'etaSeconds'> {
  const isCurrent =
    state === 'running' && reported.at !== null && now.getTime() - reported.at.getTime() <= RATE_VALID_MS
  const blocksPerSecond = isCurrent ? (reported.blocksPerSecond ?? 0) : 0
  const isOver = state === 'completed'
  if (isOver) return { blocksPerSecond, etaSeconds: 0 }
  return {
    blocksPerSecond,
    etaSeconds: total === null || blocksPerSecond === 0 ? null : (total - done) / blocksPerSecond,
  }
}

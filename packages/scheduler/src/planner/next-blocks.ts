import type { BlockRange, BlockSet } from '@blockmill/core'

/** What is known of one task with one set of arguments. */
export interface Progress {
  /** First block that must be evaluated. */
  readonly startBlock: number
  /** First block of the live run while nothing is evaluated: see `liveStart`. */
  readonly liveFrom: number
  /** Where the live run goes on after the chain has replaced blocks, though what is looked back at is not done yet. */
  readonly resumeFrom?: number | undefined
  readonly evaluated: BlockSet
}

/** Progress that also knows which blocks nobody has evaluated or is about to. */
export interface ProgressWithGaps extends Progress {
  missing(range: BlockRange): BlockSet
}

/** The next block of a task's live run: the one after the highest that is evaluated, or the one where it begins. */
export function nextLiveBlock({ startBlock, liveFrom, resumeFrom = 0, evaluated }: Progress): number {
  const last = evaluated.at(-1)?.to
  return last !== undefined && last >= startBlock ? Math.max(last + 1, resumeFrom) : liveFrom
}

/** Blocks from the next live one to the head, all of which are due; `undefined` when the task has caught up. */
export function liveBlocks(progress: Progress, head: number): BlockRange | undefined {
  const from = nextLiveBlock(progress)
  return from <= head ? { from, to: head } : undefined
}

/**
 * The lowest blocks behind the live run that are not evaluated: what a lookback, or a start block set lower than before,
 * still owes. Never reaches the next live block, so it never goes ahead of the head.
 */
export function lookbackBlocks(progress: ProgressWithGaps, head: number): BlockRange | undefined {
  const to = Math.min(nextLiveBlock(progress) - 1, head)
  return to < progress.startBlock ? undefined : progress.missing({ from: progress.startBlock, to })[0]
}

import { type BlockRange, type BlockSet, gaps } from '@blockmill/core'

/** What is known of one task with one set of arguments. */
export interface Progress {
  /** First block that must be evaluated. */
  readonly startBlock: number
  readonly evaluated: BlockSet
}

/**
 * The next block of a task's live run: the one after the highest that is evaluated. Where nothing is evaluated from the
 * start block on, it is the head at which the task was registered, which is `lookback` blocks after its start block.
 */
export function nextLiveBlock({ startBlock, evaluated }: Progress, head: number, lookback: number): number {
  const last = evaluated.at(-1)?.to
  if (last !== undefined && last >= startBlock) return last + 1
  return Math.max(startBlock, Math.min(startBlock + lookback, head))
}

/** Blocks from the next live one to the head, all of which are due; `undefined` when the task has caught up. */
export function liveBlocks(progress: Progress, head: number, lookback: number): BlockRange | undefined {
  const from = nextLiveBlock(progress, head, lookback)
  return from <= head ? { from, to: head } : undefined
}

/**
 * The lowest blocks behind the live run that are not evaluated: what a lookback, or a start block set lower than before,
 * still owes. Never reaches the next live block, so it never goes ahead of the head.
 */
export function lookbackBlocks(progress: Progress, head: number, lookback: number): BlockRange | undefined {
  const to = Math.min(nextLiveBlock(progress, head, lookback) - 1, head)
  if (to < progress.startBlock) return undefined
  return gaps(progress.evaluated, { from: progress.startBlock, to })[0]
}

/**
 * How many rows an API gives in one answer, learnt from its answers. Plans differ (1,000 or 10,000 rows), an API that is asked for more
 * than its cap gives fewer without a word, and compatible ones have caps of their own.
 */
export interface RowCap {
  /** Rows of the longest answer that was known to be whole: the cap is no lower. */
  readonly atLeast: number
  /** The cap, once an answer was found to be cut off there. */
  readonly cap: number | undefined
}

/** `unclear` can be settled by asking for one more row. */
export type Fullness = 'complete' | 'full' | 'unclear'

export const unknownRowCap: RowCap = { atLeast: 0, cap: undefined }

/** Caps are round numbers. Such an answer is suspicious even after a longer one: the plan of a key may change. */
const ROUND = 100

/** Whether an answer of `got` rows, of the `asked` ones, is all there is. Never calls an answer complete that may be cut off. */
export function fullness({ atLeast, cap }: RowCap, asked: number, got: number): Fullness {
  if (got >= asked || got === cap) return 'full'
  if (got === 0) return 'complete'
  if (got % ROUND === 0) return 'unclear'
  return got < Math.max(atLeast, cap ?? 0) ? 'complete' : 'unclear'
}

/** What is known after it was found out whether there are more rows than the `got` ones of an answer. */
export function learntRowCap({ atLeast, cap }: RowCap, got: number, hasMore: boolean): RowCap {
  if (hasMore) return { atLeast: Math.min(atLeast, got), cap: got }
  // A longer answer than the cap: it has risen.
  return { atLeast: Math.max(atLeast, got), cap: cap !== undefined && got > cap ? undefined : cap }
}

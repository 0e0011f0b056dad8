/** How long a condition may be asked in one go: live blocks share the event loop, and must not wait longer than this. */
const SLICE_MS = 10
const FIRST_BLOCKS = 64
const MOST_BLOCKS = 10_000

/** How many blocks a condition is asked about in one go: as many as it answers in about 10 ms. */
export interface EvaluationSlice {
  readonly blocks: number
  /** Learns from the last go. */
  took(blocks: number, ms: number): void
}

/** Starts small, at most doubles at a time, and falls at once: a condition may be a thousand times slower than another. */
export function createEvaluationSlice(): EvaluationSlice {
  let blocks = FIRST_BLOCKS
  return {
    get blocks() {
      return blocks
    },
    took(asked, ms) {
      if (asked === 0) return
      const wanted = Math.floor((asked * SLICE_MS) / Math.max(ms, 0.001))
      blocks = Math.max(1, Math.min(wanted, blocks * 2, MOST_BLOCKS))
    },
  }
}

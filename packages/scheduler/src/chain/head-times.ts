/** More marks than this are not kept: a lag of more blocks is told a little too short. */
const MOST_MARKS = 1_000

/** The time between blocks comes from this many moves of the tip. */
const MOVES_MEASURED = 20

/** Remembers when a chain's tip reached each height. */
export interface HeadTimes {
  see(number: number, atMs: number): void
  /** Seconds since the tip reached this block; 0 when it has not yet. */
  secondsSince(block: number, nowMs: number): number
  /** The time between two blocks as it was lately: one long pause does not change it. `undefined` while nobody knows. */
  blockTimeMs(): number | undefined
}

export function createHeadTimes(): HeadTimes {
  const marks: { readonly number: number; readonly atMs: number }[] = []
  return {
    see(number, atMs) {
      const last = marks.at(-1)
      if (last !== undefined && last.number >= number) return
      marks.push({ number, atMs })
      if (marks.length > MOST_MARKS) marks.shift()
    },
    secondsSince(block, nowMs) {
      const mark = marks.find(({ number }) => number >= block)
      return mark === undefined ? 0 : Math.max(0, (nowMs - mark.atMs) / 1_000)
    },
    blockTimeMs() {
      const recent = marks.slice(-MOVES_MEASURED - 1)
      const perBlock = recent.slice(1).map((mark, index) => {
        const before = recent[index] ?? mark
        return (mark.atMs - before.atMs) / (mark.number - before.number)
      })
      return perBlock.sort((a, b) => a - b)[Math.floor(perBlock.length / 2)]
    },
  }
}

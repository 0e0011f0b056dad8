/** More marks than this are not kept: a lag of more blocks is told a little too short. */
const MOST_MARKS = 1_000

/** Remembers when a chain's tip reached each height. */
export interface HeadTimes {
  see(number: number, atMs: number): void
  /** Seconds since the tip reached this block; 0 when it has not yet. */
  secondsSince(block: number, nowMs: number): number
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
  }
}

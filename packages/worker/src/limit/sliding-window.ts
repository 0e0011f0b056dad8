/**
 * Counts starts so that no window of length `perMs` holds more than `limit` of them, wherever the window begins: a start is
 * allowed when the one `limit` starts before it is `perMs` ago. Pure: the caller gives the time, which must not go back.
 *
 * Unlike a token bucket it allows no burst on top: full buckets let up to twice the limit through within one window.
 */
export interface SlidingWindow {
  /** Milliseconds until so many more starts are allowed, one by default; 0 when they are now. */
  waitMs(nowMs: number, starts?: number): number
  /** How many more starts will have been allowed by then, when each is made as soon as it may be. */
  startsBy(nowMs: number, thenMs: number): number
  /** Counts a start. */
  take(nowMs: number): void
}

export function createSlidingWindow({
  limit,
  perMs,
}: {
  readonly limit: number
  readonly perMs: number
}): SlidingWindow {
  /** The last `limit` starts: a ring once it is full, whose oldest entry is at `next`. Grows only as far as it is used. */
  const starts: number[] = []
  let next = 0

  /** When the n-th start from now on is allowed, n from 0: one window after the start `limit` before it. */
  const allowedAt = (n: number): number => {
    const windows = Math.floor(n / limit)
    const oldest = (n % limit) - (limit - starts.length)
    const startedAt = oldest < 0 ? Number.NEGATIVE_INFINITY : (starts[(next + oldest) % starts.length] as number)
    return startedAt + perMs * (windows + 1)
  }

  return {
    waitMs: (nowMs, wanted = 1) => {
      // The first free starts have no time; when further ones follow them, those are a window after now.
      const windows = Math.floor((wanted - 1) / limit)
      return Math.max(0, Math.max(allowedAt(wanted - 1), nowMs + windows * perMs) - nowMs)
    },
    startsBy(nowMs, thenMs) {
      const windows = Math.max(0, Math.floor((thenMs - nowMs) / perMs))
      const restMs = thenMs - windows * perMs
      let [from, to] = [0, limit]
      while (from < to) {
        const middle = (from + to) >> 1
        if (allowedAt(middle) <= restMs) from = middle + 1
        else to = middle
      }
      return windows * limit + from
    },
    take(nowMs) {
      if (starts.length < limit) {
        starts.push(nowMs)
        return
      }
      starts[next] = nowMs
      next = (next + 1) % limit
    },
  }
}

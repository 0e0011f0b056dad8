/** A task that is set aside comes back no sooner: the way through the broker is not worth less. */
const LEAST_MS = 1_000
/** No task is set aside for longer, since by then workers may have come or gone. */
const LONGEST_MS = 5 * 60 * 1_000

/**
 * Gives the tasks that are over a rate limit times to come back at, one after the other at the rate of the limit: so a backlog
 * comes back as it can be started, instead of all at once and again and again. Pure.
 */
export interface SetAside {
  /** Milliseconds until a message of so many items is to come back. */
  waitMs(nowMs: number, items: number): number
}

/** @param intervalMs the time between two starts. */
export function createSetAside({ intervalMs }: { readonly intervalMs: number }): SetAside {
  /** When the next one comes back. */
  let nextAt = Number.NEGATIVE_INFINITY

  return {
    waitMs(nowMs, items) {
      const earliest = nowMs + Math.min(LONGEST_MS, Math.max(LEAST_MS, intervalMs))
      // What lies beyond is spread over the second half of the longest wait, and then over again.
      if (nextAt > nowMs + LONGEST_MS) nextAt = nowMs + LONGEST_MS / 2
      const at = Math.max(nextAt, earliest)
      nextAt = at + intervalMs * items
      return Math.ceil(Math.min(at - nowMs, LONGEST_MS))
    },
  }
}

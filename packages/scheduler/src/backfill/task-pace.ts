/** Holds a job to a number of tasks in a second. Times are milliseconds of a clock that never jumps. */
export interface TaskPace {
  /** Most tasks at once: what the rate allows in a second, and at least one. */
  readonly most: number
  /** How long to wait before the next tasks. */
  waitMs(nowMs: number): number
  /** Counts tasks that were scheduled: the next ones wait for as long as these take at the rate. */
  took(tasks: number, nowMs: number): void
}

/** @param perSecond tasks in a second; null for no limit. */
export function createTaskPace(perSecond: number | null): TaskPace {
  let nextAtMs = Number.NEGATIVE_INFINITY
  if (perSecond === null) return { most: Number.POSITIVE_INFINITY, waitMs: () => 0, took: () => undefined }
  return {
    most: Math.max(1, Math.floor(perSecond)),
    waitMs: (nowMs) => Math.max(0, nextAtMs - nowMs),
    took(tasks, nowMs) {
      nextAtMs = Math.max(nextAtMs, nowMs) + (tasks * 1_000) / perSecond
    },
  }
}

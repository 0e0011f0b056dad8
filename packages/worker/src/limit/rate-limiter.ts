/** Allows starts, at most as many as its rate limit. Shared by all tasks that the limit is for. */
export interface RateLimiter {
  /** True when one may start now. */
  isOpen(): boolean
  /** Counts a start. Only while it is open. */
  take(): void
  /**
   * Calls `onOpen` when it is worth looking again, once, however often it is asked meanwhile.
   *
   * @param wanted how many could be started at once.
   */
  awaitOpening(wanted: number): void
  /** True when a start was refused because of the limit, rather than not asked for yet. */
  isExhausted(): boolean
  /** How many starts can be expected within the time. */
  startsWithin(durationMs: number): number
  /** Time between two starts at the full rate. */
  readonly intervalMs: number
  /** Ends its timer. */
  stop(): void
}

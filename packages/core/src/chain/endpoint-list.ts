import { type ReconnectRange, reconnectDelay } from '../service/reconnect-delay.ts'

/** What is known of an endpoint. */
interface Health {
  /** Failures in a row. */
  failures: number
  failedAtMs: number
  /** It is not tried before this time. */
  notBeforeMs: number
  /** When it was last left because it was of no use, although it answered. */
  resetAtMs: number
}

/** Which of several endpoints to connect to, and when. Knows no sockets. */
export interface EndpointList {
  /** The endpoint to try next, and how long to wait before that: 0 when one may be tried at once. */
  next(nowMs: number): { readonly url: string; readonly waitMs: number }
  /**
   * It could not be connected to, was lost, or wants to be left alone.
   *
   * @returns its failures in a row, and for how long it is avoided.
   */
  failed(url: string, options: FailedEndpoint): { readonly failures: number; readonly retryInMs: number }
  /** It was left because it was of no use, although it answered: the others come before it for a while. */
  reset(url: string, nowMs: number): void
}

export interface FailedEndpoint {
  readonly nowMs: number
  /** How long it held before. Default 0. */
  readonly heldMs?: number
  /** It wants to be left alone until then. */
  readonly notBeforeMs?: number | undefined
}

export interface EndpointListOptions {
  /** In the order of preference, each once. Not empty. */
  readonly endpoints: readonly string[]
  readonly backoff: ReconnectRange
  /** In [0, 1). */
  readonly random: () => number
}

const NEVER = Number.NEGATIVE_INFINITY
/** A connection that is lost sooner counts as a failed try, so that one which never holds is not retried in a rush. */
const STEADY_AFTER_MS = 5_000
/** How long it counts in the order that an endpoint failed or was reset: long enough for the others to show whether they are better. */
const FORGOTTEN_AFTER_MS = 10 * 60_000

/**
 * Prefers endpoints in the order given, because whoever wrote the list put the nearest or cheapest first; but never leaves one
 * that works for one that it prefers, because each change loses the requests in flight and the subscriptions. Those that failed
 * less often come first, so that every endpoint is tried, however long it takes the others to fail.
 */
export function createEndpointList({ endpoints, backoff, random }: EndpointListOptions): EndpointList {
  const known = new Map<string, Health>(
    endpoints.map((url) => [url, { failures: 0, failedAtMs: NEVER, notBeforeMs: NEVER, resetAtMs: NEVER }]),
  )
  const healthOf = (url: string): Health => {
    const health = known.get(url)
    if (health === undefined) throw new RangeError('The list has no such endpoint.')
    return health
  }

  return {
    next(nowMs) {
      const isRecent = (timeMs: number): boolean => nowMs - timeMs < FORGOTTEN_AFTER_MS
      const resetAt = ({ resetAtMs }: Health): number => (isRecent(resetAtMs) ? resetAtMs : 0)
      const failures = (health: Health): number => (isRecent(health.failedAtMs) ? health.failures : 0)
      // Stable, so the order given decides among equals.
      const inOrder = [...known].sort(([, a], [, b]) => resetAt(a) - resetAt(b) || failures(a) - failures(b))
      const waits = inOrder.map(([url, { notBeforeMs }]) => ({ url, waitMs: Math.max(0, notBeforeMs - nowMs) }))
      return waits.reduce((best, other) => (other.waitMs < best.waitMs ? other : best))
    },

    failed(url, { nowMs, heldMs = 0, notBeforeMs = NEVER }) {
      const health = healthOf(url)
      health.failures = heldMs < STEADY_AFTER_MS ? health.failures + 1 : 1
      const pauseMs = reconnectDelay(backoff, health.failures, random())
      health.failedAtMs = nowMs
      health.notBeforeMs = Math.max(nowMs + pauseMs, notBeforeMs)
      return { failures: health.failures, retryInMs: health.notBeforeMs - nowMs }
    },

    reset(url, nowMs) {
      healthOf(url).resetAtMs = nowMs
    },
  }
}

import { reconnectDelay } from '../service/reconnect-delay.ts'

/**
 * How many requests an endpoint may have in flight, learnt from how it takes them: one more after each round that it answered
 * while that many were in flight, half as many when it says that it is too much or does not answer in time. The same rule as
 * TCP's congestion avoidance, and for the same reason: everyone who shares the endpoint ends with a fair part.
 */
export interface AdaptiveLimit {
  /** Requests in flight, at most; the fraction is progress towards the next one. */
  readonly limit: number
  /** Nothing is to be sent before this time. */
  readonly pausedUntilMs: number
  /** When the limit was last halved. What was sent before tells nothing about the limit since. */
  readonly halvedAtMs: number
  /** Limits on the rate in a row: the pauses grow with it. */
  readonly rateLimits: number
}

/** How a request ended. A node's own error counts as an answer. */
export type RequestOutcome =
  | { readonly type: 'answered' }
  | { readonly type: 'timed_out' }
  /** With how long the endpoint wants to be left alone, where it said so. */
  | { readonly type: 'rate_limited'; readonly retryAfterMs: number | undefined }

/** When and beside what a request ended. */
export interface OutcomeContext {
  readonly sentAtMs: number
  readonly nowMs: number
  /** Requests in flight, this one included. */
  readonly inFlight: number
  /** In [0, 1). */
  readonly random: number
}

export const LIMIT_RANGE = { min: 1, start: 32, max: 512 } as const
/** Pauses after a limit on the rate, unless the endpoint says how long. */
const PAUSE_RANGE = { minMs: 100, maxMs: 15_000 }

export const initialLimit: AdaptiveLimit = {
  limit: LIMIT_RANGE.start,
  pausedUntilMs: 0,
  halvedAtMs: 0,
  rateLimits: 0,
}

/** The limit after a request. */
export function adaptLimit(
  state: AdaptiveLimit,
  outcome: RequestOutcome,
  { sentAtMs, nowMs, inFlight, random }: OutcomeContext,
): AdaptiveLimit {
  // Many that were sent together fail together; that is one event, not many.
  const isNews = sentAtMs >= state.halvedAtMs
  switch (outcome.type) {
    case 'answered': {
      if (!isNews) return state
      // Below the limit, an answer does not show that the endpoint would take more.
      const isFull = inFlight >= Math.floor(state.limit)
      const limit = isFull ? Math.min(LIMIT_RANGE.max, state.limit + 1 / state.limit) : state.limit
      return { ...state, limit, rateLimits: 0 }
    }
    case 'timed_out':
      return isNews ? { ...state, limit: half(state.limit), halvedAtMs: nowMs } : state
    case 'rate_limited': {
      const rateLimits = isNews ? state.rateLimits + 1 : state.rateLimits
      const wishMs = outcome.retryAfterMs ?? 0
      // Some ask for no time at all, and would be asked again in a rush.
      const isSaid = wishMs >= PAUSE_RANGE.minMs
      const pauseMs = isSaid || !isNews ? wishMs : reconnectDelay(PAUSE_RANGE, rateLimits, random)
      const pausedUntilMs = Math.max(state.pausedUntilMs, nowMs + pauseMs)
      if (!isNews) return { ...state, pausedUntilMs }
      return { limit: half(state.limit), halvedAtMs: nowMs, rateLimits, pausedUntilMs }
    }
  }
}

function half(limit: number): number {
  return Math.max(LIMIT_RANGE.min, limit / 2)
}

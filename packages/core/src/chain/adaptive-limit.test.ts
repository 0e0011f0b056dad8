import { array, assert, constant, double, integer, oneof, option, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  adaptLimit,
  type AdaptiveLimit,
  initialLimit,
  LIMIT_RANGE,
  type OutcomeContext,
  type RequestOutcome,
} from './adaptive-limit.ts'

/** What ended, and when and beside what. */
type Ended = readonly [RequestOutcome, OutcomeContext]

const context = (sentAtMs: number, nowMs: number, inFlight = 1): OutcomeContext => ({
  sentAtMs,
  nowMs,
  inFlight,
  random: 0,
})
const answered = (sentAtMs: number, inFlight: number): Ended => [
  { type: 'answered' },
  context(sentAtMs, sentAtMs, inFlight),
]
const timedOut = (sentAtMs: number, nowMs: number): Ended => [{ type: 'timed_out' }, context(sentAtMs, nowMs)]
const rateLimited = (sentAtMs: number, nowMs: number, retryAfterMs?: number): Ended => [
  { type: 'rate_limited', retryAfterMs },
  context(sentAtMs, nowMs),
]
const after = (ended: readonly Ended[], from: AdaptiveLimit = initialLimit): AdaptiveLimit =>
  ended.reduce((state, [outcome, when]) => adaptLimit(state, outcome, when), from)

describe('adaptLimit', () => {
  it('allows about one more after each full round of answers', () => {
    const round = Array.from({ length: LIMIT_RANGE.start }, () => answered(1, LIMIT_RANGE.start))
    const { limit } = after(round)
    expect(limit).toBeGreaterThan(LIMIT_RANGE.start + 0.95)
    expect(limit).toBeLessThan(LIMIT_RANGE.start + 1)
  })

  it('does not grow while fewer are in flight than are allowed', () => {
    expect(after(Array.from({ length: 1_000 }, () => answered(1, 3))).limit).toBe(LIMIT_RANGE.start)
  })

  it('halves once for a burst that fails together, and again for what was sent after', () => {
    const burst = Array.from({ length: 32 }, () => rateLimited(10, 20))
    expect(after(burst).limit).toBe(16)
    expect(after([...burst, rateLimited(25, 30)]).limit).toBe(8)
    expect(after(Array.from({ length: 32 }, () => timedOut(10, 20))).limit).toBe(16)
  })

  it('never allows less than one', () => {
    const storm = Array.from({ length: 50 }, (_, index) => rateLimited(index * 10, index * 10))
    expect(after(storm).limit).toBe(1)
  })

  it('pauses as long as the endpoint says, and a shorter wish later does not cut that short', () => {
    const paused = after([rateLimited(0, 100, 5_000)])
    expect(paused.pausedUntilMs).toBe(5_100)
    expect(after([rateLimited(0, 200, 1_000)], paused).pausedUntilMs).toBe(5_100)
  })

  it('pauses longer with each limit in a row, and from the start again after an answer', () => {
    const limited = (at: number): Ended => [
      { type: 'rate_limited', retryAfterMs: undefined },
      { ...context(at, at), random: 0.999 },
    ]
    let state = initialLimit
    const pauses: number[] = []
    for (const at of [1_000, 10_000, 20_000, 30_000]) {
      state = after([limited(at)], state)
      pauses.push(state.pausedUntilMs - at)
    }
    expect(pauses).toEqual([200, 400, 799, 1_599])
    state = after([answered(40_000, 1), limited(50_000)], state)
    expect(state.pausedUntilMs).toBe(50_200)
  })

  it('pauses as if nothing was said where the endpoint says that no pause is needed, and refuses all the same', () => {
    const refused = (at: number): Ended => [
      { type: 'rate_limited', retryAfterMs: 0 },
      { ...context(at, at), random: 0.999 },
    ]
    let state = initialLimit
    const pauses: number[] = []
    for (const at of [1_000, 10_000, 20_000]) {
      state = after([refused(at)], state)
      pauses.push(state.pausedUntilMs - at)
    }
    expect(pauses).toEqual([200, 400, 799])
  })

  it('takes an answer to what was sent before the limit was halved for no sign that all is well', () => {
    const state = after([rateLimited(10, 20), answered(10, 100)])
    expect(state).toMatchObject({ limit: 16, rateLimits: 1 })
  })

  it('does not pause for a time-out, which says nothing about the rate', () => {
    expect(after([timedOut(10, 20)]).pausedUntilMs).toBe(0)
  })

  it('stays within its range and never moves a pause forward, whatever happens', () => {
    const outcome = oneof(
      constant<RequestOutcome>({ type: 'answered' }),
      constant<RequestOutcome>({ type: 'timed_out' }),
      record({
        type: constant('rate_limited' as const),
        retryAfterMs: option(integer({ min: 0, max: 86_400_000 }), { nil: undefined }),
      }),
    )
    const step = record({
      outcome,
      elapsed: integer({ min: 0, max: 60_000 }),
      took: integer({ min: 0, max: 60_000 }),
      inFlight: integer({ min: 1, max: 1_000 }),
      random: double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    assert(
      property(array(step, { maxLength: 200 }), (steps) => {
        let [state, nowMs] = [initialLimit, 1_000_000]
        for (const { outcome: how, elapsed, took, inFlight, random } of steps) {
          nowMs += elapsed
          const before = state
          state = adaptLimit(state, how, { sentAtMs: nowMs - took, nowMs, inFlight, random })
          expect(state.limit).toBeGreaterThanOrEqual(LIMIT_RANGE.min)
          expect(state.limit).toBeLessThanOrEqual(LIMIT_RANGE.max)
          expect(state.limit).toBeLessThanOrEqual(before.limit + 1)
          expect(state.pausedUntilMs).toBeGreaterThanOrEqual(before.pausedUntilMs)
          if (how.type === 'rate_limited')
            expect(state.pausedUntilMs).toBeGreaterThanOrEqual(nowMs + (how.retryAfterMs ?? 0))
        }
      }),
    )
  })
})

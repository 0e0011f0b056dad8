import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type SerializedError, serializeError } from '../errors/serialized-error.ts'
import { durationMs } from './duration.ts'
import {
  type Backoff,
  MAX_DELAY_MS,
  neverGrows,
  RETRY_DEFAULTS,
  retryDecision,
  retryDelay,
  type RetryPolicy,
  retryPolicyProblems,
} from './retry-policy.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE
const boom: SerializedError = { name: 'Error', message: 'boom', classes: ['Error'] }

/** What a task goes through that fails at every attempt: its delays, then the reason it failed for. */
function fate(policy: RetryPolicy, error = boom): (number | string)[] {
  const maxAttempts = policy.maxAttempts ?? RETRY_DEFAULTS.maxAttempts
  const steps: (number | string)[] = []
  for (let attempt = 1; ; attempt += 1) {
    const decision = retryDecision(policy, { attempt, maxAttempts, error })
    if (decision.type === 'fail') return [...steps, `${decision.reason} after attempt ${attempt}`]
    steps.push(decision.delayMs)
  }
}

const minutes = (...values: number[]): number[] => values.map((value) => value * MINUTE)
const seconds = (...values: number[]): number[] => values.map((value) => value * SECOND)

describe('the documented delays', () => {
  it.each<[string, RetryPolicy, (number | string)[]]>([
    [
      'base 2 min, 3 attempts, cap 1440 min',
      { maxAttempts: 3, backoff: { type: 'exponential', base: '2m', max: '1440m' } },
      [...minutes(2, 4), 'exhausted after attempt 3'],
    ],
    [
      'base 2 min, 10 attempts',
      { maxAttempts: 10, backoff: { type: 'exponential', base: '2m' } },
      [...minutes(2, 4, 8, 16, 32, 64, 128, 256, 512), 'exhausted after attempt 10'],
    ],
    [
      'base 60 min, 3 attempts',
      { maxAttempts: 3, backoff: { type: 'exponential', base: '60m' } },
      [...minutes(60, 1_440), 'exhausted after attempt 3'],
    ],
    [
      'base 1 min, which never grows',
      { maxAttempts: 5, backoff: { type: 'exponential', base: '1m' } },
      [...minutes(1, 1, 1, 1), 'exhausted after attempt 5'],
    ],
    ['no policy at all', {}, [...minutes(1, 1), 'exhausted after attempt 3']],
    [
      'a factor',
      { maxAttempts: 5, backoff: { type: 'exponential', base: '1s', factor: 3, max: '20s' } },
      [...seconds(1, 3, 9, 20), 'exhausted after attempt 5'],
    ],
    [
      'staged',
      { maxAttempts: 6, backoff: { type: 'staged' } },
      [...seconds(5, 5, 60, 120, 240), 'exhausted after attempt 6'],
    ],
    [
      'staged, whose fast delay is above start and cap',
      {
        maxAttempts: 5,
        backoff: { type: 'staged', fastAttempts: 1, fastDelay: '10s', start: '4s', multiplier: 2, max: '12s' },
      },
      [...seconds(10, 10, 10, 12), 'exhausted after attempt 5'],
    ],
    [
      'staged without fast attempts',
      { maxAttempts: 4, backoff: { type: 'staged', fastAttempts: 0 } },
      [...seconds(60, 120, 240), 'exhausted after attempt 4'],
    ],
    [
      'incremental, pause 3 s, 3 retries',
      { maxAttempts: 4, backoff: { type: 'incremental' } },
      [...seconds(3, 6, 9), 'exhausted after attempt 4'],
    ],
    [
      'constant, pause 3 s, 3 retries',
      { maxAttempts: 4, backoff: { type: 'constant' } },
      [...seconds(3, 3, 3), 'exhausted after attempt 4'],
    ],
    ['a single attempt', { maxAttempts: 1 }, ['exhausted after attempt 1']],
  ])('of %s', (_, policy, expected) => {
    expect(fate(policy)).toEqual(expected)
  })

  it('are a power and not an exclusive or: the third of base 2 is 8 minutes, not 1', () => {
    expect(retryDelay({ backoff: { type: 'exponential', base: '2m' } }, 3, boom)).toBe(8 * MINUTE)
  })
})

describe('settings', () => {
  const settings = { maxAttempts: 7, baseMs: 3 * MINUTE, maxDelayMs: 20 * MINUTE }

  it('stand in for what a policy leaves out, and only for that', () => {
    expect(retryDelay({}, 2, boom, settings)).toBe(9 * MINUTE)
    expect(retryDelay({}, 3, boom, settings)).toBe(20 * MINUTE)
    expect(retryDelay({ backoff: { type: 'exponential', base: '2m' } }, 5, boom, settings)).toBe(20 * MINUTE)
    expect(retryDelay({ backoff: { type: 'exponential', max: '5m' } }, 2, boom, settings)).toBe(5 * MINUTE)
    expect(retryDelay({ backoff: () => '1h' }, 1, boom, settings)).toBe(20 * MINUTE)
  })
})

describe('a back-off function', () => {
  it('is given the number of failures and the error', () => {
    const policy: RetryPolicy = { backoff: (failures, { message }) => failures * message.length * SECOND }
    expect(retryDelay(policy, 3, boom)).toBe(12 * SECOND)
  })

  it('that returns no duration is an error that names what it returned', () => {
    expect(() => retryDelay({ backoff: () => -1 }, 1, boom)).toThrow(/back-off function returned is -1/)
  })
})

describe('an error that says when to come back', () => {
  const busy = (seconds_: number): SerializedError =>
    serializeError(Object.assign(new Error('429'), { retryAfter: seconds_ }))

  it('is never asked again earlier, and no later than the policy says when that is later', () => {
    expect(retryDelay({ backoff: { type: 'constant', pause: '3s' } }, 1, busy(60))).toBe(60 * SECOND)
    expect(retryDelay({ backoff: { type: 'constant', pause: '2m' } }, 1, busy(60))).toBe(120 * SECOND)
  })

  it('cannot put a task off for more than a week', () => {
    expect(retryDelay({}, 1, busy(1e9))).toBe(MAX_DELAY_MS)
  })
})

describe('retryOn and dontRetryOn', () => {
  class HttpError extends Error {}
  class TooManyRequests extends HttpError {}
  const thrown = serializeError(new TooManyRequests('429'))
  const decide = (policy: RetryPolicy, error = thrown) => retryDecision(policy, { attempt: 1, maxAttempts: 3, error })

  it.each<[string, RetryPolicy, string]>([
    ['an empty list retries everything', { retryOn: [] }, 'retry'],
    ['its own class is retried', { retryOn: [TooManyRequests] }, 'retry'],
    ['a class above it is retried', { retryOn: [HttpError] }, 'retry'],
    ['a class by name is retried', { retryOn: ['HttpError'] }, 'retry'],
    ['any error is an Error', { retryOn: [Error] }, 'retry'],
    ['another class is not', { retryOn: [TypeError, 'RangeError'] }, 'not_retryable'],
    ['an excluded class is not', { dontRetryOn: [HttpError] }, 'not_retryable'],
    ['excluding wins over including', { retryOn: [Error], dontRetryOn: ['TooManyRequests'] }, 'not_retryable'],
  ])('%s', (_, policy, expected) => {
    const decision = decide(policy)
    expect(decision.type === 'retry' ? 'retry' : decision.reason).toBe(expected)
  })

  it('match what was thrown in another process, where the classes are names only', () => {
    const received = JSON.parse(JSON.stringify(thrown)) as SerializedError
    expect(decide({ retryOn: [HttpError] }, received).type).toBe('retry')
  })

  it('match an error by the name that it was given', () => {
    const named = serializeError(Object.assign(new Error('x'), { name: 'AbortError' }))
    expect(decide({ dontRetryOn: ['AbortError'] }, named)).toEqual({ type: 'fail', reason: 'not_retryable' })
  })

  it('fail an error that is not retried at once, also with attempts left', () => {
    expect(fate({ maxAttempts: 10, dontRetryOn: [Error] })).toEqual(['not_retryable after attempt 1'])
  })
})

describe('any sound policy', () => {
  const durations = fc.integer({ min: 0, max: MAX_DELAY_MS })
  const factors = fc.double({ min: 1, max: 1e6, noNaN: true })
  const backoffs: fc.Arbitrary<Exclude<Backoff, (...args: never[]) => unknown>> = fc.oneof(
    fc.record({
      type: fc.constant('exponential' as const),
      base: fc.integer({ min: MINUTE, max: 60 * MINUTE }),
      max: fc.integer({ min: MINUTE, max: MAX_DELAY_MS }),
    }),
    fc.record({ type: fc.constant('exponential' as const), base: durations, factor: factors, max: durations }),
    fc.record({
      type: fc.constant('staged' as const),
      fastAttempts: fc.nat({ max: 20 }),
      fastDelay: durations,
      start: durations,
      multiplier: factors,
      max: durations,
    }),
    fc.record({ type: fc.constant('constant' as const), pause: durations }),
    fc.record({ type: fc.constant('incremental' as const), pause: durations, max: durations }),
  )
  const failures = fc.integer({ min: 1, max: 100_000 })

  it('passes its own check', () => {
    fc.assert(
      fc.property(backoffs, (backoff) => {
        expect(retryPolicyProblems({ backoff })).toEqual([])
      }),
    )
  })

  it('gives a finite delay that is neither negative nor above its cap or a week', () => {
    fc.assert(
      fc.property(backoffs, failures, (backoff, n) => {
        const delay = retryDelay({ backoff }, n, boom)
        const cap = 'max' in backoff && backoff.max !== undefined ? durationMs(backoff.max, 'max') : MAX_DELAY_MS
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(Math.min(cap, MAX_DELAY_MS))
      }),
    )
  })

  it('never waits shorter after a later failure', () => {
    fc.assert(
      fc.property(backoffs, failures, fc.nat({ max: 1_000 }), (backoff, n, more) => {
        expect(retryDelay({ backoff }, n + more, boom)).toBeGreaterThanOrEqual(retryDelay({ backoff }, n, boom))
      }),
    )
  })

  it('never waits shorter than the other side asked for', () => {
    fc.assert(
      fc.property(backoffs, failures, durations, (backoff, n, retryAfterMs) => {
        expect(retryDelay({ backoff }, n, { ...boom, retryAfterMs })).toBeGreaterThanOrEqual(retryAfterMs)
      }),
    )
  })

  it('runs a task exactly as often as it may be run', () => {
    fc.assert(
      fc.property(backoffs, fc.integer({ min: 1, max: 30 }), (backoff, maxAttempts) => {
        expect(fate({ backoff, maxAttempts })).toHaveLength(maxAttempts)
      }),
    )
  })
})

describe('the check of a policy', () => {
  it.each<[string, RetryPolicy, RegExp]>([
    ['no attempt', { maxAttempts: 0 }, /retry\.maxAttempts is 0/],
    ['a negative number of attempts', { maxAttempts: -3 }, /retry\.maxAttempts is -3/],
    ['half an attempt', { maxAttempts: 1.5 }, /retry\.maxAttempts is 1\.5/],
    ['attempts without end', { maxAttempts: Number.POSITIVE_INFINITY }, /retry\.maxAttempts is Infinity/],
    [
      'a base below a minute',
      { backoff: { type: 'exponential', base: '2s' } },
      /backoff\.base is "2s".*from 60 s to 3600 s/,
    ],
    ['a base above an hour', { backoff: { type: 'exponential', base: '61m' } }, /backoff\.base is "61m"/],
    ['a cap above a week', { backoff: { type: 'exponential', max: '8d' } }, /backoff\.max is "8d"/],
    ['a factor below one', { backoff: { type: 'exponential', factor: 0.5 } }, /backoff\.factor is 0\.5/],
    [
      'a factor that is not a number',
      { backoff: { type: 'exponential', factor: Number.NaN } },
      /backoff\.factor is NaN/,
    ],
    ['a negative pause', { backoff: { type: 'constant', pause: -1 } }, /backoff\.pause is -1/],
    [
      'a pause that is not a duration',
      { backoff: { type: 'incremental', pause: 'soon' as '1s' } },
      /backoff\.pause is "soon"/,
    ],
    [
      'a fraction of a fast attempt',
      { backoff: { type: 'staged', fastAttempts: 0.5 } },
      /backoff\.fastAttempts is 0\.5/,
    ],
    ['an unknown type', { backoff: { type: 'linear' } as unknown as Backoff }, /backoff\.type is "linear"/],
    [
      'an error class without a name',
      { retryOn: [class extends Error {}] },
      /retry\.retryOn holds an error class without a name/,
    ],
  ])('refuses %s', (_, policy, problem) => {
    expect(retryPolicyProblems(policy)).toEqual([expect.stringMatching(problem)])
  })

  it('takes more attempts than a setting may say', () => {
    expect(retryPolicyProblems({ maxAttempts: 5_000 })).toEqual([])
  })

  it('tells all problems at once', () => {
    const backoff: Backoff = { type: 'staged', multiplier: 0, fastDelay: -1, max: '30d' }
    expect(retryPolicyProblems({ maxAttempts: 0, backoff })).toHaveLength(4)
  })
})

it('knows back-offs that never grow, because one to any power is one', () => {
  expect(neverGrows({ backoff: { type: 'exponential', base: '1m' } })).toBe(true)
  expect(neverGrows({ backoff: { type: 'exponential', base: '5s', factor: 1 } })).toBe(true)
  expect(neverGrows({ backoff: { type: 'exponential', base: '2m' } })).toBe(false)
  expect(neverGrows({ backoff: { type: 'exponential', base: '1m', factor: 2 } })).toBe(false)
  expect(neverGrows({ backoff: { type: 'constant' } })).toBe(false)
  expect(neverGrows({})).toBe(false)
  expect(DAY).toBe(RETRY_DEFAULTS.maxDelayMs)
})

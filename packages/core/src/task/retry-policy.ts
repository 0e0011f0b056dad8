import type { SerializedError } from '../errors/serialized-error.ts'
import { type Duration, durationMs } from './duration.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** No delay is longer than a week: the last step of the delay ladder. */
export const MAX_DELAY_MS = 7 * 24 * 60 * MINUTE

/**
 * How long to wait after a failure. `n` is the number of failures so far, 1 after the first.
 *
 * | type | delay after failure n | defaults |
 * | --- | --- | --- |
 * | `exponential` with `base` in minutes, no `factor` | `min(baseMinutes ** n, maxMinutes)` minutes | base 1 min, max 1440 min |
 * | `exponential` with `factor` | `min(base · factor ** (n − 1), max)` | max 1440 min |
 * | `staged` | `n ≤ fastAttempts`: `min(max, fastDelay)`, then `min(max, max(fastDelay, start · multiplier ** (n − fastAttempts − 1)))` | 2, 5 s, 60 s, 2, 24 h |
 * | `constant` | `pause` | 3 s |
 * | `incremental` | `pause · n` | 3 s |
 * | a function | what it returns, capped by `max` of the policy | – |
 */
export type Backoff =
  | { readonly type: 'exponential'; readonly base?: Duration; readonly factor?: number; readonly max?: Duration }
  | {
      readonly type: 'staged'
      readonly fastAttempts?: number
      readonly fastDelay?: Duration
      readonly start?: Duration
      readonly multiplier?: number
      readonly max?: Duration
    }
  | { readonly type: 'constant'; readonly pause?: Duration }
  | { readonly type: 'incremental'; readonly pause?: Duration; readonly max?: Duration }
  | ((failures: number, error: SerializedError) => Duration)

/** A class of errors: the class itself, or its name where the class cannot be imported. */
export type ErrorClass = string | (abstract new (...args: never[]) => Error)

/** What happens when an attempt throws. */
export interface RetryPolicy {
  /** Executions in total, the first included; a whole number from 1 up. Default 3. */
  readonly maxAttempts?: number
  /** Default: exponential, base 1 min, max 1440 min. */
  readonly backoff?: Backoff
  /** Spreads retries: the delay becomes a random ladder step in [d/2, d]. Default false: exact to a second. */
  readonly jitter?: boolean
  /** Only errors of these classes are retried. Empty or absent: all are. */
  readonly retryOn?: readonly ErrorClass[]
  /** Errors of these classes fail the task at once. Wins over `retryOn`. */
  readonly dontRetryOn?: readonly ErrorClass[]
}

/** What a service's settings put in place of what a policy leaves out. */
export interface RetryDefaults {
  /** `BLOCKMILL_MAX_ATTEMPTS`, 1–10. */
  readonly maxAttempts: number
  /** `BLOCKMILL_RETRY_BACKOFF`, 1–60 minutes. */
  readonly baseMs: number
  /** `BLOCKMILL_MAX_RETRY_DELAY`, 1–10080 minutes. */
  readonly maxDelayMs: number
}

export const RETRY_DEFAULTS: RetryDefaults = { maxAttempts: 3, baseMs: MINUTE, maxDelayMs: 1_440 * MINUTE }

export type RetryDecision =
  | { readonly type: 'retry'; readonly delayMs: number }
  | { readonly type: 'fail'; readonly reason: 'exhausted' | 'not_retryable' }

/** Decides what follows a failed attempt. `maxAttempts` comes from the task's message, where the scheduler wrote it. */
export function retryDecision(
  policy: RetryPolicy,
  failure: { readonly attempt: number; readonly maxAttempts: number; readonly error: SerializedError },
  defaults: RetryDefaults = RETRY_DEFAULTS,
): RetryDecision {
  if (!isRetryable(policy, failure.error)) return { type: 'fail', reason: 'not_retryable' }
  if (failure.attempt >= failure.maxAttempts) return { type: 'fail', reason: 'exhausted' }
  return { type: 'retry', delayMs: retryDelay(policy, failure.attempt, failure.error, defaults) }
}

/**
 * Milliseconds to wait after the `failures`-th failure, before jitter. An error that carries `retryAfterMs` is honoured:
 * the delay is at least that, within the week that no delay exceeds.
 */
export function retryDelay(
  policy: RetryPolicy,
  failures: number,
  error: SerializedError,
  defaults: RetryDefaults = RETRY_DEFAULTS,
): number {
  const delay = backoffDelay(policy.backoff ?? { type: 'exponential' }, failures, error, defaults)
  return Math.min(MAX_DELAY_MS, Math.max(delay, error.retryAfterMs ?? 0))
}

function backoffDelay(backoff: Backoff, n: number, error: SerializedError, defaults: RetryDefaults): number {
  if (typeof backoff === 'function') {
    return Math.min(defaults.maxDelayMs, durationMs(backoff(n, error), 'what the back-off function returned'))
  }
  switch (backoff.type) {
    case 'exponential': {
      const base = ms(backoff.base, defaults.baseMs)
      const max = ms(backoff.max, defaults.maxDelayMs)
      if (backoff.factor === undefined) return Math.min((base / MINUTE) ** n * MINUTE, max)
      return Math.min(grown(base, backoff.factor, n - 1), max)
    }
    case 'staged': {
      const { fastAttempts = 2, multiplier = 2 } = backoff
      const fast = ms(backoff.fastDelay, 5 * SECOND)
      const max = ms(backoff.max, 1_440 * MINUTE)
      if (n <= fastAttempts) return Math.min(max, fast)
      return Math.min(max, Math.max(fast, grown(ms(backoff.start, MINUTE), multiplier, n - fastAttempts - 1)))
    }
    case 'constant':
      return ms(backoff.pause, 3 * SECOND)
    case 'incremental':
      return Math.min(ms(backoff.pause, 3 * SECOND) * n, ms(backoff.max, defaults.maxDelayMs))
  }
}

// Powers overflow to infinity, and zero times infinity is not a number.
function grown(start: number, factor: number, times: number): number {
  return start === 0 ? 0 : start * factor ** times
}

function isRetryable({ retryOn = [], dontRetryOn = [] }: RetryPolicy, error: SerializedError): boolean {
  const matches = (classes: readonly ErrorClass[]): boolean =>
    classes.some((one) => error.classes.includes(typeof one === 'string' ? one : one.name))
  return !matches(dontRetryOn) && (retryOn.length === 0 || matches(retryOn))
}

/**
 * Every rule that a policy breaks, each as a sentence that names the value; empty when it is sound.
 * Settings are narrower than tasks: `maxAttempts` of a task may be any whole number from 1 up.
 */
export function retryPolicyProblems({ maxAttempts, backoff, retryOn, dontRetryOn }: RetryPolicy): string[] {
  const problems: string[] = []
  if (maxAttempts !== undefined && !(Number.isSafeInteger(maxAttempts) && maxAttempts >= 1)) {
    problems.push(
      `retry.maxAttempts is ${maxAttempts}; it must be a whole number from 1 up (the first execution counts)`,
    )
  }
  for (const [key, classes] of Object.entries({ retryOn, dontRetryOn })) {
    if (classes?.some((one) => (typeof one === 'string' ? one : one.name) === '')) {
      problems.push(`retry.${key} holds an error class without a name; classes are matched by name`)
    }
  }
  if (backoff === undefined || typeof backoff === 'function') return problems
  return [...problems, ...backoffProblems(backoff)]
}

/** True for an exponential policy whose delay never grows, because 1ⁿ = 1: worth a warning, not an error. */
export function neverGrows({ backoff }: RetryPolicy): boolean {
  return (
    typeof backoff === 'object' &&
    backoff.type === 'exponential' &&
    (backoff.factor ?? (backoff.base === undefined ? 0 : durationMs(backoff.base, 'base') / MINUTE)) === 1
  )
}

function backoffProblems(backoff: Exclude<Backoff, (...args: never[]) => unknown>): string[] {
  const problems: string[] = []
  const within = (key: string, value: Duration | undefined, from: number, to: number): void => {
    if (value === undefined) return
    const actual = tryDuration(value)
    if (actual === undefined || actual < from || actual > to) {
      problems.push(
        `retry.backoff.${key} is ${JSON.stringify(value)}; it must be from ${from / SECOND} s to ${to / SECOND} s`,
      )
    }
  }
  const atLeast = (key: string, value: number | undefined, minimum: number, whole: boolean): void => {
    if (value === undefined || (Number.isFinite(value) && value >= minimum && (!whole || Number.isInteger(value))))
      return
    problems.push(`retry.backoff.${key} is ${value}; it must be a ${whole ? 'whole ' : ''}number from ${minimum} up`)
  }
  switch (backoff.type) {
    case 'exponential':
      if (backoff.factor === undefined) {
        within('base', backoff.base, MINUTE, 60 * MINUTE)
        within('max', backoff.max, MINUTE, MAX_DELAY_MS)
      } else {
        atLeast('factor', backoff.factor, 1, false)
        within('base', backoff.base, 0, MAX_DELAY_MS)
        within('max', backoff.max, 0, MAX_DELAY_MS)
      }
      break
    case 'staged':
      atLeast('fastAttempts', backoff.fastAttempts, 0, true)
      atLeast('multiplier', backoff.multiplier, 1, false)
      within('fastDelay', backoff.fastDelay, 0, MAX_DELAY_MS)
      within('start', backoff.start, 0, MAX_DELAY_MS)
      within('max', backoff.max, 0, MAX_DELAY_MS)
      break
    case 'constant':
      within('pause', backoff.pause, 0, MAX_DELAY_MS)
      break
    case 'incremental':
      within('pause', backoff.pause, 0, MAX_DELAY_MS)
      within('max', backoff.max, 0, MAX_DELAY_MS)
      break
    default:
      problems.push(
        `retry.backoff.type is ${JSON.stringify((backoff as { type: unknown }).type)}; it must be 'exponential', 'staged', 'constant' or 'incremental'`,
      )
  }
  return problems
}

function ms(duration: Duration | undefined, fallback: number): number {
  return duration === undefined ? fallback : durationMs(duration, 'a back-off duration')
}

function tryDuration(duration: Duration): number | undefined {
  try {
    return durationMs(duration, '')
  } catch {
    // The caller reports it with the range that the value must lie in.
    return undefined
  }
}

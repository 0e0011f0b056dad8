import { type Duration, durationMs, formatDuration } from './duration.ts'

/**
 * Who shares a rate limit.
 *
 * | scope | limits | costs per start |
 * | --- | --- | --- |
 * | `worker` | each worker process by itself | nothing but arithmetic |
 * | `global` | all workers of the installation together | one small message, confirmed by the broker |
 */
export const RATE_LIMIT_SCOPES = ['worker', 'global'] as const
export type RateLimitScope = (typeof RATE_LIMIT_SCOPES)[number]

/** A rate limit as users write it: at most `limit` starts in any window of length `per`. */
export interface RateLimitOptions {
  /** Starts, 1–100,000. Retries count, since they start the handler again. */
  readonly limit: number
  /** Length of the window, 10 ms to a day. */
  readonly per: Duration
  /** Default `worker`. */
  readonly scope?: RateLimitScope
}

/** A rate limit, checked and with its defaults in place. */
export interface RateLimit {
  readonly limit: number
  readonly perMs: number
  readonly scope: RateLimitScope
}

/** Most starts of a window: a worker remembers the time of each. */
export const MAX_RATE_LIMIT = 100_000
const MIN_PER_MS = 10
const MAX_PER_MS = 24 * 60 * 60 * 1_000

/** Every rule that a rate limit breaks, each as a sentence that names the value. */
export function rateLimitProblems({ limit, per, scope = 'worker' }: RateLimitOptions): string[] {
  const problems: string[] = []
  if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_RATE_LIMIT)) {
    problems.push(`rateLimit.limit is ${JSON.stringify(limit)}; it must be a whole number from 1 to ${MAX_RATE_LIMIT}`)
  }
  const perMs = tryDuration(per)
  if (perMs === undefined || perMs < MIN_PER_MS || perMs > MAX_PER_MS) {
    const [from, to] = [formatDuration(MIN_PER_MS), formatDuration(MAX_PER_MS)]
    problems.push(`rateLimit.per is ${JSON.stringify(per)}; it must be a duration from ${from} to ${to}, such as '1s'`)
  }
  if (!RATE_LIMIT_SCOPES.includes(scope)) {
    problems.push(`rateLimit.scope is ${JSON.stringify(scope)}; it must be one of ${RATE_LIMIT_SCOPES.join(', ')}`)
  }
  return problems
}

/** The rate limit in numbers. Give it only what has no problems. */
export function rateLimit({ limit, per, scope = 'worker' }: RateLimitOptions): RateLimit {
  return { limit, perMs: durationMs(per, 'rateLimit.per'), scope }
}

/**
 * Reads the short form of settings: `10/s`, `1000/m`, `5/250ms`, `100/h`, with `/global` behind it for a limit that all
 * workers share. `undefined` for anything else.
 */
export function parseRateLimit(text: string): RateLimit | undefined {
  const [, limit = '', per = '', scope = 'worker'] = /^(\d+)\/(\d*[a-z]+)(?:\/(worker|global))?$/.exec(text) ?? []
  const options = {
    limit: Number(limit),
    // A unit alone is one of it.
    per: (/^\d/.test(per) ? per : `1${per}`) as Duration,
    scope: scope as RateLimitScope,
  }
  return rateLimitProblems(options).length === 0 ? rateLimit(options) : undefined
}

function tryDuration(duration: Duration): number | undefined {
  try {
    return durationMs(duration, '')
  } catch {
    // The caller reports it with the range that the value must lie in.
    return undefined
  }
}

import { Cancel, type Duration, Postpone, RangeTooLarge } from '@blockmill/core'

import { ProviderError } from './provider-error.ts'

/** What is known beside the failure of a batch. */
export interface FailureContext {
  readonly now: Date
  /** Of the batch, 1 for the first execution. */
  readonly attempt: number
  /** Whether less can be asked for: of a provider that reads block by block, or of a single block, it cannot. */
  readonly canSplit: boolean
  /** Whether the provider answers other, small questions. Asked only where it matters. */
  readonly answersOthers: () => Promise<boolean>
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** A limit on the rate that gives no time: a few of its windows. */
const RATE_PAUSE_MS = 2_000
/** What somebody must put right. */
const PERSON_PAUSE_MS = 5 * MINUTE_MS
/** What the provider must put right, or the chain. */
const PROVIDER_PAUSE_MS = 30_000
/** Limits are lifted earlier at times, when someone buys another plan. */
const LONGEST_PAUSE_MS = 60 * MINUTE_MS

/**
 * What a batch throws after a failure of its provider.
 *
 * What concerns every batch alike, such as a key that is refused, makes the batch wait, with the reason: failing would use up its
 * attempts and have the job cut it to pieces, as if one of its blocks were the cause. What concerns the range splits it. The rest fails
 * the attempt, and is left to the retry policy.
 */
export async function batchFailure(
  error: unknown,
  { now, attempt, canSplit, answersOthers }: FailureContext,
): Promise<unknown> {
  if (!(error instanceof ProviderError)) return error
  const { message, retryAfterMs = 0, safeSize } = error
  const split = (): Error => (canSplit ? new RangeTooLarge(message, safeSize === undefined ? {} : { safeSize }) : error)
  const waitAtLeast = (pauseMs: number): Postpone =>
    new Postpone(milliseconds(Math.max(pauseMs, retryAfterMs)), message)
  switch (error.type) {
    case 'rate_limited':
      return waitAtLeast(RATE_PAUSE_MS)
    case 'daily_limit':
      return waitAtLeast(Math.min(LONGEST_PAUSE_MS, DAY_MS - (now.getTime() % DAY_MS)))
    case 'unconfigured':
    case 'key_refused':
      return waitAtLeast(PERSON_PAUSE_MS)
    case 'unreachable':
    case 'missing_blocks':
      return waitAtLeast(PROVIDER_PAUSE_MS)
    case 'timed_out':
    case 'unavailable':
      // The range may be too much for it, or everything is just now, or it was a bad moment.
      if (!(await answersOthers())) return waitAtLeast(PROVIDER_PAUSE_MS)
      return attempt === 1 ? error : split()
    case 'too_much':
      return split()
    case 'chain_unsupported':
      return new Cancel(message)
    case 'method_missing':
    case 'refused':
    case 'invalid_data':
      // A web page of a gateway, or a URL that is none of an API, answers everything so.
      return (await answersOthers()) ? error : waitAtLeast(PERSON_PAUSE_MS)
    case 'block_too_large':
      return error
  }
}

function milliseconds(ms: number): Duration {
  return `${Math.ceil(ms)}ms`
}

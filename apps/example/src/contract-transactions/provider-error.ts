/**
 * Why a provider did not answer.
 *
 * | type | meaning | who must act |
 * | --- | --- | --- |
 * | `rate_limited` | asked too often | nobody: ask later |
 * | `daily_limit` | the key's calls of the day are used up | nobody: it is lifted at midnight UTC |
 * | `unconfigured` | a setting is missing or wrong | who runs the worker |
 * | `key_refused` | the key is missing, wrong, expired or blocked | who runs the worker |
 * | `chain_unsupported` | the API does not have the chain, or not for this key | who asked |
 * | `too_much` | the range has more than one answer may carry, or takes too long | nobody: ask for less |
 * | `block_too_large` | so has a single block | who asked: use another provider |
 * | `unreachable` | no connection, or it was cut | nobody, or who runs the API |
 * | `timed_out` | no answer in time | the same |
 * | `unavailable` | a 5xx, or a web page in place of an answer | the same |
 * | `missing_blocks` | the chain has no such block yet | nobody, or who asked |
 * | `method_missing` | a node does not have a method, or not for everybody | who runs the node |
 * | `refused` | any other refusal | see its text |
 * | `invalid_data` | the answer is not what it should be | who runs the API |
 */
export const PROVIDER_FAILURES = [
  'rate_limited',
  'daily_limit',
  'unconfigured',
  'key_refused',
  'chain_unsupported',
  'too_much',
  'block_too_large',
  'unreachable',
  'timed_out',
  'unavailable',
  'missing_blocks',
  'method_missing',
  'refused',
  'invalid_data',
] as const
export type ProviderFailure = (typeof PROVIDER_FAILURES)[number]

export interface ProviderErrorOptions {
  /** How long the provider wants to be left alone, where it said so. */
  readonly retryAfterMs?: number | undefined
  /** With `too_much`: how many blocks to ask for next, where that can be told. */
  readonly safeSize?: number | undefined
  readonly cause?: unknown
}

/** What a provider throws. Its text names no key. */
export class ProviderError extends Error {
  readonly type: ProviderFailure
  /** As retry policies read it, which also honour it. */
  readonly retryAfter: number | undefined
  readonly retryAfterMs: number | undefined
  readonly safeSize: number | undefined

  constructor(
    type: ProviderFailure,
    message: string,
    { retryAfterMs, safeSize, ...options }: ProviderErrorOptions = {},
  ) {
    super(message, options)
    this.type = type
    this.retryAfter = retryAfterMs === undefined ? undefined : retryAfterMs / 1_000
    this.retryAfterMs = retryAfterMs
    this.safeSize = safeSize
  }

  override get name(): string {
    return 'ProviderError'
  }
}

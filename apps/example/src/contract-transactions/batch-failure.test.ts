import { Cancel, Postpone, RangeTooLarge } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { batchFailure, type FailureContext } from './batch-failure.ts'
import { PROVIDER_FAILURES, ProviderError, type ProviderErrorOptions, type ProviderFailure } from './provider-error.ts'

const MINUTE_MS = 60_000
const context: FailureContext = {
  now: new Date('2026-05-01T12:00:00Z'),
  attempt: 1,
  canSplit: true,
  answersOthers: async () => true,
}
const decide = (type: ProviderFailure, options: ProviderErrorOptions = {}, others: Partial<FailureContext> = {}) =>
  batchFailure(new ProviderError(type, 'the reason', options), { ...context, ...others })

describe('batchFailure', () => {
  it.each([
    ['rate_limited', 2_000],
    ['daily_limit', 60 * MINUTE_MS],
    ['unconfigured', 5 * MINUTE_MS],
    ['key_refused', 5 * MINUTE_MS],
    ['unreachable', 30_000],
    ['missing_blocks', 30_000],
  ] as const)('makes every batch wait with the reason on %s, for %i ms', async (type, delayMs) => {
    const thrown = await decide(type)
    expect(thrown).toBeInstanceOf(Postpone)
    expect(thrown).toMatchObject({ delayMs, message: 'the reason' })
  })

  it('waits as long as the provider asks for', async () => {
    expect(await decide('rate_limited', { retryAfterMs: 90_000 })).toMatchObject({ delayMs: 90_000 })
  })

  it('does not wait beyond midnight UTC for a daily limit', async () => {
    const now = new Date('2026-05-01T23:59:00Z')
    expect(await decide('daily_limit', {}, { now })).toMatchObject({ delayMs: MINUTE_MS })
  })

  it('splits what is too much, in pieces of the size that is known to be safe', async () => {
    expect(await decide('too_much', { safeSize: 12 })).toMatchObject({ name: 'RangeTooLarge', safeSize: 12 })
    expect(await decide('too_much', {}, { canSplit: false })).toBeInstanceOf(ProviderError)
  })

  it.each(['timed_out', 'unavailable'] as const)(
    'on %s waits while everything fails, then retries once, then splits',
    async (type) => {
      expect(await decide(type, {}, { answersOthers: async () => false })).toBeInstanceOf(Postpone)
      expect(await decide(type)).toBeInstanceOf(ProviderError)
      expect(await decide(type, {}, { attempt: 2 })).toBeInstanceOf(RangeTooLarge)
      expect(await decide(type, {}, { attempt: 2, canSplit: false })).toBeInstanceOf(ProviderError)
    },
  )

  it('cancels the batch when the API does not have the chain, because no piece of it would do better', async () => {
    expect(await decide('chain_unsupported')).toBeInstanceOf(Cancel)
  })

  it('leaves everything else to the retry policy', async () => {
    for (const type of ['block_too_large', 'method_missing', 'refused', 'invalid_data'] as const)
      expect(await decide(type)).toBeInstanceOf(ProviderError)
    const other = new TypeError('a fault of ours')
    expect(await batchFailure(other, context)).toBe(other)
  })

  it.each(['method_missing', 'refused', 'invalid_data'] as const)(
    'waits on %s while the provider answers everything so: no block of the range is the cause',
    async (type) => {
      const thrown = await decide(type, {}, { answersOthers: async () => false })
      expect(thrown).toBeInstanceOf(Postpone)
      expect(thrown).toMatchObject({ delayMs: 5 * MINUTE_MS, message: 'the reason' })
    },
  )

  it('knows every failure', async () => {
    for (const type of PROVIDER_FAILURES) expect(await decide(type)).toBeInstanceOf(Error)
  })
})

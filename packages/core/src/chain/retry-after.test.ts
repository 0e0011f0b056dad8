import { assert, anything, property } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { parseRetryAfter, retryAfterOf } from './retry-after.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 60 * 60_000

describe('parseRetryAfter', () => {
  it.each([
    ['3', 3_000],
    ['0', 0],
    ['0.5', 500],
    ['-4', 0],
    ['86400', HOUR],
    ['1000000000', HOUR],
    ['1e9', undefined],
    [new Date(NOW + 7_000).toUTCString(), 7_000],
    [new Date(NOW - 7_000).toUTCString(), 0],
    [new Date(NOW + 48 * HOUR).toUTCString(), HOUR],
    ['soon', undefined],
    ['5,10', undefined],
    ['60;', undefined],
    ['in 5', undefined],
    ['0x10', undefined],
    ['', undefined],
    [' ', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('reads %j as %j ms', (header, waitMs) => {
    expect(parseRetryAfter(header, NOW)).toBe(waitMs)
  })
})

describe('retryAfterOf', () => {
  it.each([
    [{ retryAfter: 2 }, 2_000],
    [{ retry_after: '1.5' }, 1_500],
    [{ retryAfterMs: 70 }, 70],
    [{ rate: { allowed_rps: 1, backoff_seconds: 30 } }, 30_000],
    [{ retryAfter: 'later', retry_after: 1 }, 1_000],
    [{ retryAfter: '' }, undefined],
    [{ other: 1 }, undefined],
    ['retryAfter: 3', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('reads %j as %j ms', (data, waitMs) => {
    expect(retryAfterOf(data)).toBe(waitMs)
  })

  it('gives a bounded time or nothing, whatever the data', () => {
    assert(
      property(anything(), anything(), (value, nested) => {
        const waitMs = retryAfterOf({ retryAfter: value, rate: { retry_after_ms: nested } })
        if (waitMs === undefined) return
        expect(waitMs).toBeGreaterThanOrEqual(0)
        expect(waitMs).toBeLessThanOrEqual(HOUR)
      }),
    )
  })
})

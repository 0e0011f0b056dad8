import { assert, double, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { RECONNECT_RANGE, reconnectDelay } from './reconnect-delay.ts'

describe('reconnectDelay', () => {
  it('doubles the upper bound with every failure, from 0.4 s to 15 s', () => {
    const longest = [1, 2, 3, 4, 5, 6, 7, 8, 1_000].map((failures) => reconnectDelay(RECONNECT_RANGE, failures, 1))
    expect(longest).toEqual([400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000, 15_000])
  })

  it('stays within its bounds, whatever the number of failures', () => {
    const random = double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    assert(
      property(integer({ min: 1, max: 10_000 }), random, integer({ min: 1, max: 60_000 }), (failures, at, maxMs) => {
        const delayMs = reconnectDelay({ minMs: 200, maxMs }, failures, at)
        expect(delayMs).toBeGreaterThanOrEqual(200)
        expect(delayMs).toBeLessThanOrEqual(Math.max(200, maxMs))
        expect(Number.isInteger(delayMs)).toBe(true)
      }),
    )
  })
})

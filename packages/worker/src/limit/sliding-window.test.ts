import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSlidingWindow } from './sliding-window.ts'

const limits = fc.record({ limit: fc.integer({ min: 1, max: 8 }), perMs: fc.integer({ min: 1, max: 50 }) })
/** Times of tries, ascending, many of them at once. */
const tries = fc
  .array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 })
  .map((gaps) => gaps.reduce<number[]>((times, gap) => [...times, (times.at(-1) ?? 0) + gap], []))

function run({ limit, perMs }: { limit: number; perMs: number }, at: readonly number[]): number[] {
  const window = createSlidingWindow({ limit, perMs })
  return at.filter((time) => {
    if (window.waitMs(time) > 0) return false
    window.take(time)
    return true
  })
}

function countWithin(starts: readonly number[], from: number, to: number): number {
  return starts.filter((start) => start >= from && start < to).length
}

describe('a sliding window', () => {
  it('never holds more starts than its limit, wherever it begins', () => {
    fc.assert(
      fc.property(limits, tries, (limit, at) => {
        const starts = run(limit, at)
        for (const start of starts) {
          expect(countWithin(starts, start, start + limit.perMs)).toBeLessThanOrEqual(limit.limit)
        }
      }),
    )
  })

  it('refuses nothing that the limit allows', () => {
    fc.assert(
      fc.property(limits, tries, (limit, at) => {
        const window = createSlidingWindow(limit)
        const starts: number[] = []
        for (const time of at) {
          const allowed = countWithin(starts, time - limit.perMs + 1, time + 1) < limit.limit
          expect(window.waitMs(time) === 0).toBe(allowed)
          if (!allowed) continue
          window.take(time)
          starts.push(time)
        }
      }),
    )
  })

  it('says exactly how long it takes until so many starts have been made, and how many by a time', () => {
    fc.assert(
      fc.property(limits, tries, fc.integer({ min: 1, max: 30 }), (limit, at, wanted) => {
        const window = createSlidingWindow(limit)
        for (const time of at) if (window.waitMs(time) === 0) window.take(time)
        const now = at.at(-1) ?? 0
        const waitMs = window.waitMs(now, wanted)
        expect(window.startsBy(now, now + waitMs)).toBeGreaterThanOrEqual(wanted)
        if (waitMs > 0) expect(window.startsBy(now, now + waitMs - 1)).toBeLessThan(wanted)

        // What was foretold is what happens to one who starts as soon as he may.
        let time = now
        for (let start = 0; start < wanted; start += 1) {
          time += window.waitMs(time)
          window.take(time)
        }
        expect(time).toBe(now + waitMs)
      }),
    )
  })
})

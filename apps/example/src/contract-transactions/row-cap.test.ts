import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { fullness, learntRowCap, type RowCap, unknownRowCap } from './row-cap.ts'

const ASKED = 10_000

describe('fullness', () => {
  it('takes as many rows as were asked for, or as the cap has, for an answer that may be cut off', () => {
    expect(fullness(unknownRowCap, ASKED, ASKED)).toBe('full')
    expect(fullness({ atLeast: 900, cap: 1_000 }, ASKED, 1_000)).toBe('full')
  })

  it('does not believe a first answer, however few rows it has', () => {
    expect(fullness(unknownRowCap, ASKED, 1)).toBe('unclear')
    expect(fullness(unknownRowCap, ASKED, 0)).toBe('complete')
  })

  it('believes an answer that is shorter than a whole one before, unless it has a round number of rows', () => {
    const known: RowCap = { atLeast: 5_000, cap: undefined }
    expect(fullness(known, ASKED, 4_999)).toBe('complete')
    // The plan of the key may have changed since.
    expect(fullness(known, ASKED, 1_000)).toBe('unclear')
  })

  it('doubts an answer that is longer than the cap: it has risen', () => {
    const known: RowCap = { atLeast: 900, cap: 1_000 }
    expect(fullness(known, ASKED, 1_500)).toBe('unclear')
    expect(learntRowCap(known, 1_500, false)).toEqual({ atLeast: 1_500, cap: undefined })
  })

  it('never calls an answer complete that was cut off, whatever the cap, and learns it', () => {
    const lists = fc.array(fc.nat(3_000), { minLength: 1, maxLength: 50 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_500 }), lists, (cap, lengths) => {
        let known = unknownRowCap
        for (const length of lengths) {
          const got = Math.min(length, cap)
          const answer = fullness(known, ASKED, got)
          if (length > cap) expect(answer).not.toBe('complete')
          if (answer === 'unclear') known = learntRowCap(known, got, length > cap)
        }
        if (known.cap !== undefined) expect(known.cap).toBe(cap)
      }),
    )
  })
})

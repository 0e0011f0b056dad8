import { describe, expect, it } from 'vitest'

import { createEvaluationSlice } from './evaluation-slice.ts'

/** Slices of a condition that takes so long for a block. */
function slices(msPerBlock: number, count: number): number[] {
  const slice = createEvaluationSlice()
  return Array.from({ length: count }, () => {
    const { blocks } = slice
    slice.took(blocks, blocks * msPerBlock)
    return blocks
  })
}

describe('createEvaluationSlice', () => {
  it('holds the event loop for about 10 ms, whatever the condition takes', () => {
    expect(slices(0.01, 12).at(-1)).toBe(1_000)
    expect(slices(1, 3)).toEqual([64, 10, 10])
    expect(slices(100, 3)).toEqual([64, 1, 1])
  })

  it('grows step by step up to 10,000 blocks of a condition that takes no time', () => {
    expect(slices(0, 10)).toEqual([64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 10_000, 10_000])
  })
})

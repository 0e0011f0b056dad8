import { contains } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createFailingBlocks } from './failing-blocks.ts'

const error = new Error('no')

describe('createFailingBlocks', () => {
  it('lets a block rest for longer after each failure, and gives it up after six', () => {
    const failing = createFailingBlocks()
    const rests: number[] = []
    let nowMs = 0
    while (!contains(failing.givenUp, 7)) {
      failing.failed(7, error, nowMs)
      const rest = failing.untilNextMs(nowMs)
      if (rest === undefined) break
      expect(failing.resting(nowMs + rest - 1)).toEqual([{ from: 7, to: 7 }])
      expect(failing.resting(nowMs + rest)).toEqual([])
      rests.push(rest)
      nowMs += rest
    }
    expect(rests).toEqual([1_000, 2_000, 4_000, 8_000, 16_000])
    expect(failing.resting(nowMs + 1_000_000)).toEqual([{ from: 7, to: 7 }])
  })

  it('names the first that fails, until it does not any more', () => {
    const failing = createFailingBlocks()
    failing.failed(9, new Error('nine'), 0)
    failing.failed(7, error, 0)
    expect(failing.first).toEqual({ block: 7, error })
    failing.cleared(0, 8)
    expect(failing.first).toMatchObject({ block: 9 })
    failing.cleared(9, 9)
    expect(failing.first).toBeUndefined()
    expect(failing.untilNextMs(0)).toBeUndefined()
  })

  it('is stuck with a hundred, and hopeless when all of them are given up', () => {
    const failing = createFailingBlocks()
    for (let block = 0; block < 100; block += 1) {
      expect(failing.isStuck).toBe(false)
      failing.failed(block, error, 0)
    }
    expect([failing.isStuck, failing.isHopeless]).toEqual([true, false])
    for (let tries = 2; tries <= 6; tries += 1)
      for (let block = 0; block < 100; block += 1) failing.failed(block, error, 0)
    expect(failing.isHopeless).toBe(true)
    failing.cleared(5, 5)
    expect([failing.isStuck, failing.isHopeless]).toEqual([false, false])
  })
})

import { type BlockRange, type BlockSet, blockSet, contains, gaps, union } from '@blockmill/core'
import { array, assert, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { liveBlocks, lookbackBlocks } from './next-blocks.ts'

const progressOf = (startBlock: number, liveFrom: number, evaluated: BlockSet) => ({
  startBlock,
  liveFrom,
  evaluated,
  missing: (range: BlockRange) => gaps(evaluated, range),
})

const progress = (startBlock: number, ...ranges: [number, number][]) =>
  progressOf(startBlock, startBlock, blockSet(ranges.map(([from, to]) => ({ from, to }))))

describe('liveBlocks', () => {
  it('starts with the start block', () => {
    expect(liveBlocks(progress(100), 103)).toEqual({ from: 100, to: 103 })
  })

  it('goes on after the highest evaluated block, however far the head has jumped', () => {
    expect(liveBlocks(progress(50, [50, 89]), 1_000_000)).toEqual({ from: 90, to: 1_000_000 })
  })

  it('is nothing when everything is evaluated, or the head is below the start block', () => {
    expect(liveBlocks(progress(50, [50, 89]), 89)).toBeUndefined()
    expect(liveBlocks(progress(50, [50, 89]), 80)).toBeUndefined()
    expect(liveBlocks(progress(200), 150)).toBeUndefined()
  })

  it('starts at the head of the registration where a lookback puts the start block before it', () => {
    const registered = { ...progress(4_700), liveFrom: 5_000 }
    expect(liveBlocks(registered, 5_000)).toEqual({ from: 5_000, to: 5_000 })
    expect(liveBlocks(registered, 5_004)).toEqual({ from: 5_000, to: 5_004 })
  })
})

describe('lookbackBlocks', () => {
  it('is the lowest gap behind the live run', () => {
    expect(lookbackBlocks({ ...progress(4_700), liveFrom: 5_000 }, 5_000)).toEqual({ from: 4_700, to: 4_999 })
    expect(lookbackBlocks(progress(4_700, [4_700, 4_720], [4_800, 4_810], [5_000, 5_001]), 5_001)).toEqual({
      from: 4_721,
      to: 4_799,
    })
  })

  it('is nothing without a gap', () => {
    expect(lookbackBlocks(progress(100), 103)).toBeUndefined()
    expect(lookbackBlocks(progress(100, [100, 103]), 103)).toBeUndefined()
  })

  it('fills in what a start block set lower than before has added', () => {
    expect(lookbackBlocks(progress(10, [100, 103]), 103)).toEqual({ from: 10, to: 99 })
  })
})

describe('live and lookback together', () => {
  const anyRange = record({ from: integer({ min: 0, max: 60 }), size: integer({ min: 1, max: 10 }) })
  const anyCase = record({
    startBlock: integer({ min: 0, max: 60 }),
    head: integer({ min: 0, max: 80 }),
    lookback: integer({ min: 0, max: 20 }),
    ranges: array(anyRange, { maxLength: 4 }),
  })

  it('evaluate every block from the start block to the head exactly once', () => {
    assert(
      property(anyCase, ({ startBlock, head, lookback, ranges }) => {
        let evaluated: BlockSet = blockSet(ranges.map(({ from, size }) => ({ from, to: from + size - 1 })))
        for (let steps = 0; steps < 20; steps += 1) {
          const now = progressOf(startBlock, startBlock + lookback, evaluated)
          const range = liveBlocks(now, head) ?? lookbackBlocks(now, head)
          if (range === undefined) break
          for (let block = range.from; block <= range.to; block += 1) {
            expect(contains(evaluated, block)).toBe(false)
            expect(block).toBeLessThanOrEqual(head)
          }
          evaluated = union(evaluated, [range])
        }
        for (let block = startBlock; block <= head; block += 1) expect(contains(evaluated, block)).toBe(true)
        expect(liveBlocks(progressOf(startBlock, startBlock + lookback, evaluated), head)).toBeUndefined()
      }),
    )
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockRange,
  type BlockRange,
  blockSet,
  type BlockSet,
  contains,
  difference,
  fromMultirange,
  gaps,
  intersection,
  rangeSize,
  setSize,
  splitRange,
  toMultirange,
  union,
} from './block-range.ts'

const MAX = Number.MAX_SAFE_INTEGER

/** Small enough for a model that lists every block. */
const ranges = fc
  .tuple(fc.nat({ max: 60 }), fc.nat({ max: 8 }))
  .map(([from, length]): BlockRange => ({ from, to: from + length }))
const rangeLists = fc.array(ranges, { maxLength: 8 })
const sets = rangeLists.map(blockSet)

/** The model: every block by itself. */
const model = (list: readonly BlockRange[]): Set<number> =>
  new Set(list.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index)))
const without = (a: Set<number>, b: Set<number>): Set<number> => new Set([...a].filter((block) => !b.has(block)))
const sorted = (blocks: Set<number>): number[] => [...blocks].toSorted((a, b) => a - b)

/** Disjoint, ascending, and no two that touch. */
function expectNormal(set: BlockSet): void {
  for (const [index, range] of set.entries()) {
    expect(range.from).toBeLessThanOrEqual(range.to)
    const before = set[index - 1]
    if (before !== undefined) expect(range.from).toBeGreaterThan(before.to + 1)
  }
}

function expectSame(set: BlockSet, blocks: Set<number>): void {
  expectNormal(set)
  expect(sorted(model(set))).toEqual(sorted(blocks))
}

describe('the algebra of block sets is that of sets', () => {
  it('making one of any ranges', () => {
    fc.assert(
      fc.property(rangeLists, (list) => {
        expectSame(blockSet(list), model(list))
      }),
    )
  })

  it('union, difference and intersection', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const [inA, inB] = [model(a), model(b)]
        expectSame(union(a, b), new Set([...inA, ...inB]))
        expectSame(difference(a, b), without(inA, inB))
        expectSame(intersection(a, b), without(inA, without(inA, inB)))
      }),
      { numRuns: 500 },
    )
  })

  it('what a range lacks', () => {
    fc.assert(
      fc.property(sets, ranges, (set, within) => {
        expectSame(gaps(set, within), without(model([within]), model(set)))
      }),
    )
  })

  it('membership and size', () => {
    fc.assert(
      fc.property(sets, fc.nat({ max: 80 }), (set, block) => {
        expect(contains(set, block)).toBe(model(set).has(block))
        expect(setSize(set)).toBe(model(set).size)
      }),
    )
  })

  it('up to the largest block number', () => {
    const everything = [{ from: 0, to: MAX }]
    expect(union([{ from: MAX, to: MAX }], [{ from: 0, to: MAX - 1 }])).toEqual(everything)
    expect(difference(everything, [{ from: 1, to: MAX - 1 }])).toEqual([
      { from: 0, to: 0 },
      { from: MAX, to: MAX },
    ])
    expect(contains(everything, MAX)).toBe(true)
  })

  it('and a million blocks one by one become one range', () => {
    const blocks = Array.from({ length: 1_000_000 }, (_, block) => ({ from: block, to: block }))
    expect(blockSet(blocks)).toEqual([{ from: 0, to: 999_999 }])
  })
})

describe('splitRange', () => {
  it('cuts 10,000,000 to 15,000,000 by a million into six batches, the last of one block', () => {
    expect(splitRange(10_000_000, 15_000_000, 1_000_000).map(({ id }) => id)).toEqual([
      'batch_0001_10000000_10999999',
      'batch_0002_11000000_11999999',
      'batch_0003_12000000_12999999',
      'batch_0004_13000000_13999999',
      'batch_0005_14000000_14999999',
      'batch_0006_15000000_15000000',
    ])
  })

  it('keeps the last block when the size divides the range, and needs no further batch for it', () => {
    expect(splitRange(0, 1_999_999, 1_000_000)).toEqual([
      { id: 'batch_0001_0_999999', from: 0, to: 999_999 },
      { id: 'batch_0002_1000000_1999999', from: 1_000_000, to: 1_999_999 },
    ])
  })

  it('gives disjoint, sorted batches whose union is the range, none above the size, each with its own id', () => {
    const from = fc.nat({ max: MAX - 1_000 })
    fc.assert(
      fc.property(from, fc.nat({ max: 1_000 }), fc.integer({ min: 1, max: 1_100 }), (start, length, size) => {
        const end = start + length
        const batches = splitRange(start, end, size)
        expect(blockSet(batches)).toEqual([{ from: start, to: end }])
        expect(batches.reduce((sum, batch) => sum + rangeSize(batch), 0)).toBe(length + 1)
        expect(batches.toSorted((a, b) => a.from - b.from)).toEqual(batches)
        for (const batch of batches) expect(rangeSize(batch)).toBeLessThanOrEqual(size)
        expect(new Set(batches.map(({ id }) => id)).size).toBe(batches.length)
      }),
    )
  })

  it('takes the largest numbers there are', () => {
    expect(splitRange(MAX, MAX, 1)).toHaveLength(1)
    expect(splitRange(0, MAX, MAX)).toEqual([
      { id: `batch_0001_0_${MAX - 1}`, from: 0, to: MAX - 1 },
      { id: `batch_0002_${MAX}_${MAX}`, from: MAX, to: MAX },
    ])
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses a size of %d and names it', (size) => {
    expect(() => splitRange(0, 10, size)).toThrow(`Batch size ${size} is invalid`)
  })
})

it.each([
  [5, 4],
  [-1, 4],
  [0, 1.5],
  [Number.NaN, 1],
  [0, 2 ** 53],
])('refuses the range %d to %d and names both ends', (from, to) => {
  expect(() => blockRange(from, to)).toThrow(
    expect.objectContaining({ code: 'RANGE_INVALID', message: expect.stringContaining(`${from}–${to}`) as string }),
  )
  expect(() => splitRange(from, to, 1)).toThrow(/Range/)
})

describe('a multirange of PostgreSQL', () => {
  it('is written with upper bounds excluded, and read back', () => {
    expect(
      toMultirange([
        { from: 10, to: 20 },
        { from: 22, to: 22 },
      ]),
    ).toBe('{[10,21),[22,23)}')
    expect(toMultirange([])).toBe('{}')
    fc.assert(
      fc.property(sets, (set) => {
        expect(fromMultirange(toMultirange(set))).toEqual(set)
      }),
    )
  })

  it('holds the largest block number', () => {
    expect(toMultirange([{ from: MAX, to: MAX }])).toBe('{[9007199254740991,9007199254740992)}')
    expect(fromMultirange(toMultirange([{ from: MAX, to: MAX }]))).toEqual([{ from: MAX, to: MAX }])
  })
})

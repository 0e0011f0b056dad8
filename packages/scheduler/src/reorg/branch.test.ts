import type { BlockHeader } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { type Branch, commonAncestor, keptFrom, relationOf, withoutGaps } from './branch.ts'

const blocks = (from: number, to: number, fork = 'a'): Branch =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    number: from + index,
    hash: `${fork}${from + index}`,
    generation: 0,
  }))
const header = (number: number, fork = 'a', parentFork = fork): BlockHeader => ({
  number,
  hash: `${fork}${number}`,
  parentHash: `${parentFork}${number - 1}`,
})

describe('relationOf', () => {
  const branch = blocks(90, 100)
  it.each([
    ['the tip', header(100), 'same'],
    ['the block after it', header(101), 'next'],
    ['a block after it with another parent', header(101, 'b'), 'other'],
    ['another block of the same number', header(100, 'b', 'a'), 'other'],
    ['a jump', header(102, 'b'), 'ahead'],
    ['a lower block that is known: a lag', header(95), 'behind'],
    ['a lower block that is not: the chain is shorter now', header(95, 'b', 'a'), 'other'],
    ['the lowest block that is kept', header(90), 'behind'],
    ['a block below those that are kept', header(89, 'b'), 'behind'],
  ] as const)('of %s', (_, head, expected) => {
    expect(relationOf(branch, head)).toBe(expected)
  })

  it('to no branch at all: everything is ahead', () => {
    expect(relationOf([], header(5))).toBe('ahead')
  })
})

describe('commonAncestor', () => {
  it('is the highest block whose hash the chain still has', () => {
    const hashAt = (number: number) => (number <= 97 ? `a${number}` : `b${number}`)
    expect(commonAncestor(blocks(90, 100), hashAt)?.number).toBe(97)
    expect(commonAncestor(blocks(98, 100), hashAt)).toBeUndefined()
  })
})

describe('withoutGaps', () => {
  it('keeps the newest blocks of which none is missing', () => {
    expect(withoutGaps([...blocks(1, 3), ...blocks(5, 6)])).toEqual(blocks(5, 6))
    expect(withoutGaps(blocks(1, 3))).toEqual(blocks(1, 3))
    expect(withoutGaps([])).toEqual([])
  })
})

describe('keptFrom', () => {
  it.each([
    ['1,024 blocks while finality is near', 5_000, 4_990, 10_000, 3_977],
    ['down to the finalized head where that is more', 5_000, 3_000, 10_000, 3_000],
    ['never more than allowed', 5_000, 0, 2_000, 3_001],
    ['less than 1,024 where no more is allowed', 5_000, 4_990, 16, 4_985],
    ['all of a short chain', 100, 100, 10_000, 0],
  ])('%s', (_, latest, finalized, most, expected) => {
    expect(keptFrom(latest, finalized, most)).toBe(expected)
  })
})

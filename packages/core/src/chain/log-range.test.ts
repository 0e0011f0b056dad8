import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { grownLogRange, initialLogRange, shrunkLogRange } from './log-range.ts'

const range = (size: number, ceiling = 100_000) => ({ size, ceiling })

describe('shrunkLogRange', () => {
  it.each([
    ['eth_getLogs is limited to a 10,000 range', 10_000],
    ['query exceeds max block range 2000', 2_000],
    ['exceed maximum block range: 5000', 5_000],
    ['You can make eth_getLogs requests with up to a 500 block range.', 500],
    ['block range is too wide, max is 1k blocks', 1_000],
    ['ranges over 10000 blocks are not supported on freetier', 10_000],
    ['requested too many blocks from 1 to 20000, maximum is set to 2048', 2_048],
    ['Please narrow the block range to at most 800 blocks.', 800],
    ['block range greater than 3000 is not allowed', 3_000],
    ['block range too large, range: 20000, max: 1000', 1_000],
    ['Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Try [0x1, 0x3].', 3],
  ])('takes the limit from %j', (error, size) => {
    expect(shrunkLogRange(range(20_000), 20_000, error).size).toBe(size)
  })

  it('does not grow above a limit that was named, and does above a range that was only suggested', () => {
    const limited = shrunkLogRange(range(5_000), 5_000, 'query exceeds max block range 2000')
    expect(grownLogRange(limited, 2_000)).toEqual(range(2_000, 2_000))
    const error = 'query returned more than 10000 results. Try with this block range [0x64, 0xc7].'
    const suggested = shrunkLogRange(range(5_000), 5_000, error)
    expect(suggested).toEqual(range(100))
    expect(grownLogRange(suggested, 100).size).toBe(110)
  })

  it.each([
    'query returned more than 10000 results',
    'Log response size exceeded.',
    'block range too large',
    'exceeds the limit of 100 logs in this range',
    'query timeout exceeded',
    'the range has more than 2000 logs',
    'Block range limit exceeded (5001 requested)',
    'max 99999999999999999999999999 blocks',
  ])('takes half after %j', (error) => {
    expect(shrunkLogRange(range(5_000), 5_001, error)).toEqual(range(2_500))
  })

  it('takes half when the limit that is named was kept', () => {
    expect(shrunkLogRange(range(1_000), 1_000, 'query exceeds max block range 2000').size).toBe(500)
  })

  it('always asks for less, down to one block, whatever the error says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1_000_000 }), fc.string(), fc.nat(), (asked, text, number) => {
        for (const error of [text, `max block range ${number}${text}`, `[0x${number.toString(16)}, 0x${text}]`]) {
          const { size } = shrunkLogRange(initialLogRange, asked, error)
          expect(size).toBeGreaterThanOrEqual(1)
          expect(size).toBeLessThan(asked)
        }
      }),
    )
    expect(shrunkLogRange(initialLogRange, 1, '').size).toBe(1)
  })
})

describe('grownLogRange', () => {
  it('grows by a tenth after a full piece, up to its ceiling', () => {
    expect(grownLogRange(range(1_000), 1_000).size).toBe(1_100)
    expect(grownLogRange(range(1), 1).size).toBe(2)
    expect(grownLogRange(range(95_000), 95_000).size).toBe(100_000)
    expect(grownLogRange(range(1_000), 10).size).toBe(1_000)
  })
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeCondition, everyBlock, everyNBlocks, isPeriodic, never } from './condition.ts'

const blocks = (condition: (block: { number: number }) => boolean, count: number): number[] =>
  Array.from({ length: count }, (_, number) => number).filter((number) => condition({ number }))

describe('everyNBlocks', () => {
  it('is true for every n-th block, counted from zero or from an offset', () => {
    expect(blocks(everyNBlocks(4), 13)).toEqual([0, 4, 8, 12])
    expect(blocks(everyNBlocks(4, { offset: 3 }), 13)).toEqual([3, 7, 11])
    expect(blocks(everyNBlocks(4, { offset: 11 }), 13)).toEqual([3, 7, 11])
  })

  it('is true for exactly one of n blocks in a row', () => {
    const whole = fc.nat({ max: 1_000 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), whole, whole, (n, offset, from) => {
        const condition = everyNBlocks(n, { offset })
        const hits = Array.from({ length: n }, (_, index) => condition({ number: from + index })).filter(Boolean)
        expect(hits).toHaveLength(1)
        expect({ period: condition.period, offset: condition.offset }).toEqual({ period: n, offset })
      }),
    )
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d for n and names it', (n) => {
    expect(() => everyNBlocks(n)).toThrow(`everyNBlocks(n): n is ${n}; it must be a whole number from 1 up.`)
  })

  it.each([-1, 0.5])('refuses %d for the offset', (offset) => {
    expect(() => everyNBlocks(2, { offset })).toThrow(`offset is ${offset}`)
  })
})

it('knows which conditions step through blocks by themselves', () => {
  expect(isPeriodic(everyBlock)).toBe(true)
  expect(isPeriodic(everyNBlocks(7))).toBe(true)
  expect(isPeriodic(never)).toBe(false)
  expect(isPeriodic(undefined)).toBe(false)
})

it('runs for every block, or for none', () => {
  expect(blocks(everyBlock, 3)).toEqual([0, 1, 2])
  expect(blocks(never, 3)).toEqual([])
})

it.each([
  [everyBlock, 'every block'],
  [everyNBlocks(10), 'every 10 blocks'],
  [everyNBlocks(10, { offset: 3 }), 'every 10 blocks, offset 3'],
  [never, 'never by itself'],
  [() => true, 'when its condition holds'],
])('tells in words when a task runs', (condition, text) => {
  expect(describeCondition(condition)).toBe(text)
})

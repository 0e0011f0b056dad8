import { type AnyCondition, type Condition, everyBlock, everyNBlocks } from '@blockmill/core'
import { assert, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import {
  evaluateBlocks,
  type EvaluationRequest,
  MAX_BLOCKS_PER_EVALUATION,
  MAX_PENDING_ANSWERS,
} from './evaluate-blocks.ts'

const request = (condition: AnyCondition, from: number, to: number): EvaluationRequest => ({
  condition,
  args: { netuid: 3 },
  range: { from, to },
  maxMatches: Number.POSITIVE_INFINITY,
  blockAt: (number) => ({ number }),
  context: { chain: {} as never, signal: new AbortController().signal },
})

describe('evaluateBlocks', () => {
  it('asks about each block in order, and tells block and arguments', () => {
    const asked: unknown[] = []
    const condition: Condition<{ netuid: number }> = (block, args) => {
      asked.push([block.number, args.netuid])
      return block.number % 2 === 0
    }
    const evaluation = evaluateBlocks(request(condition, 5, 8))
    expect(asked).toEqual([
      [5, 3],
      [6, 3],
      [7, 3],
      [8, 3],
    ])
    expect(evaluation).toEqual({ matches: [6, 8], pending: [], next: 9 })
  })

  it('ends before a block whose condition throws, and keeps the matches before it', () => {
    const error = new Error('no netuid')
    const evaluation = evaluateBlocks(
      request(
        ({ number }) => {
          if (number === 7) throw error
          return true
        },
        5,
        9,
      ),
    )
    expect(evaluation).toEqual({ matches: [5, 6], pending: [], next: 7, failure: { block: 7, error } })
  })

  it.each([[undefined], [1], ['yes'], [null]])('treats the answer %s as an error, not as false', (answer) => {
    const condition = (() => answer) as unknown as AnyCondition
    const { next, failure } = evaluateBlocks(request(condition, 5, 9))
    expect(next).toBe(5)
    expect(String(failure?.error)).toContain(`answered ${String(answer)}; it must answer true or false`)
  })

  it('hands back what a condition answers later, so many blocks at once and no more', () => {
    const { matches, pending, next } = evaluateBlocks(request(async () => true, 0, 100))
    expect(matches).toEqual([])
    expect(pending.map(({ block }) => block)).toEqual(Array.from({ length: MAX_PENDING_ANSWERS }, (_, block) => block))
    expect(next).toBe(MAX_PENDING_ANSWERS)
  })

  it('mixes blocks that are answered at once with blocks that are answered later', () => {
    const { matches, pending, next } = evaluateBlocks(
      request(({ number }) => (number % 10 === 0 ? Promise.resolve(true) : number % 3 === 0), 1, 20),
    )
    expect(matches).toEqual([3, 6, 9, 12, 15, 18])
    expect(pending.map(({ block }) => block)).toEqual([10, 20])
    expect(next).toBe(21)
  })

  it('leaves the rest of a long range for the next time', () => {
    const { next } = evaluateBlocks(request(() => false, 10, 10_000_000))
    expect(next).toBe(10 + MAX_BLOCKS_PER_EVALUATION)
  })

  it('stops behind the last match that is wanted', () => {
    const wanted = { ...request(everyBlock, 100, 1_000_000), maxMatches: 500 }
    expect(evaluateBlocks(wanted).next).toBe(600)
    expect(evaluateBlocks({ ...wanted, condition: everyNBlocks(10) }).next).toBe(100 + 499 * 10 + 1)
    expect(evaluateBlocks({ ...wanted, condition: () => true }).next).toBe(600)
  })

  it('does not ask a periodic condition about the blocks in between', () => {
    let asked = 0
    const condition = Object.assign(
      () => {
        asked += 1
        return true
      },
      { period: 100, offset: 0 },
    )
    const { matches, next } = evaluateBlocks(request(condition, 0, 999_999))
    expect(matches).toHaveLength(10_000)
    expect(next).toBe(1_000_000)
    expect(asked).toBe(0)
  })

  it('computes the same matches as a periodic condition answers', () => {
    const anyCase = record({
      period: integer({ min: 1, max: 50 }),
      offset: integer({ min: 0, max: 120 }),
      from: integer({ min: 0, max: 300 }),
      size: integer({ min: 1, max: 200 }),
    })
    assert(
      property(anyCase, ({ period, offset, from, size }) => {
        const condition = everyNBlocks(period, { offset })
        const asked = evaluateBlocks(request((block) => condition(block), from, from + size - 1))
        expect(evaluateBlocks(request(condition, from, from + size - 1))).toEqual(asked)
      }),
    )
  })
})

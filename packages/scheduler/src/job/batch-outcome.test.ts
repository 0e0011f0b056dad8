import { rangeSize } from '@blockmill/core'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { EndedBatch } from './batch.ts'
import { type BatchOutcome, outcomeOf } from './batch-outcome.ts'

const whole: EndedBatch = {
  job: 'job',
  from: 100,
  to: 199,
  number: 1,
  taskId: 'task',
  generation: 0,
  maxAttempts: null,
  status: 'failed',
  result: null,
  error: { name: 'Error', message: 'it broke', classes: ['Error'] },
  reason: 'exhausted',
}
const rules = { minBatch: 1, mayBisect: true }
const ended = (change: Partial<EndedBatch>, changedRules: Partial<typeof rules> = {}): BatchOutcome =>
  outcomeOf({ ...whole, ...change }, { ...rules, ...changedRules })
const tooMuch = (safeSize: number | null) => ({ status: 'cancelled', result: { split: { safeSize } } }) as const

describe('a batch whose task has ended', () => {
  it('has succeeded with the rows that the result names', () => {
    const manifest = { rows: 0, parts: [], value: { found: 3 } }
    expect(ended({ status: 'succeeded', result: manifest })).toEqual({ type: 'succeeded', manifest })
  })

  it.each([null, {}, { rows: 1 }, 'done'])('has failed with the result %j, which names no rows', (result) => {
    expect(ended({ status: 'succeeded', result })).toMatchObject({ type: 'failed', error: { name: 'ResultInvalid' } })
  })

  it('is bisected when it fails, or dies of too many deliveries', () => {
    const halves = {
      type: 'split',
      isBisection: true,
      pieces: [
        { from: 100, to: 149 },
        { from: 150, to: 199 },
      ],
    }
    expect(ended({})).toEqual(halves)
    expect(ended({ status: 'dead', reason: 'delivery_limit', error: null })).toEqual(halves)
  })

  it('has failed when it is as small as it gets, or may not be cut any more', () => {
    const broken = { type: 'failed', error: whole.error }
    expect(ended({ to: 100 })).toEqual(broken)
    expect(ended({}, { minBatch: 100 })).toEqual(broken)
    expect(ended({}, { mayBisect: false })).toEqual(broken)
  })

  it.each(['invalid_message', 'unknown_task', 'unknown_chain', 'invalid_args'])(
    'has failed when it is dead as %s: every piece of it would be',
    (reason) => {
      expect(ended({ status: 'dead', reason, error: null })).toMatchObject({
        type: 'failed',
        error: { message: `its task is dead: ${reason}` },
      })
    },
  )

  it('has failed when somebody has cancelled it, with the reason', () => {
    expect(ended({ status: 'cancelled', reason: 'by ann', error: null })).toEqual({
      type: 'failed',
      error: { name: 'Cancelled', message: 'by ann', classes: ['Cancelled'] },
    })
  })

  it.each([
    [40, [40, 40, 20]],
    [99, [99, 1]],
    [null, [50, 50]],
    [100, [50, 50]],
    [5_000, [50, 50]],
    [0, [50, 50]],
  ])('is cut in pieces of the size %s that its handler can fetch', (safeSize, sizes) => {
    const outcome = ended(tooMuch(safeSize))
    expect(outcome).toMatchObject({ type: 'split', isBisection: false })
    expect(outcome.type === 'split' && outcome.pieces.map(rangeSize)).toEqual(sizes)
  })

  it('is cut in a thousand pieces at the most', () => {
    const outcome = ended({ ...tooMuch(1), from: 0, to: 999_999 })
    expect(outcome.type === 'split' && outcome.pieces).toHaveLength(1_000)
  })

  it('has failed when a single block has too much', () => {
    expect(ended({ ...tooMuch(1), to: 100, reason: 'too many rows' })).toMatchObject({ type: 'failed' })
  })

  it('is cut so that its pieces are disjoint, ascending, smaller, and all of it', () => {
    const cuts = fc.record({
      from: fc.nat({ max: 2 ** 40 }),
      blocks: fc.integer({ min: 2, max: 3_000_000 }),
      minBatch: fc.integer({ min: 1, max: 5_000 }),
      change: fc.oneof(
        fc.constant({}),
        fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 4_000_000 })).map(tooMuch),
      ),
    })
    fc.assert(
      fc.property(cuts, ({ from, blocks, minBatch, change }) => {
        const to = from + blocks - 1
        const outcome = ended({ ...change, from, to }, { minBatch })
        if (outcome.type !== 'split') return blocks <= minBatch
        let next = from
        for (const piece of outcome.pieces) {
          expect(piece.from).toBe(next)
          expect(rangeSize(piece)).toBeGreaterThan(0)
          expect(rangeSize(piece)).toBeLessThan(blocks)
          next = piece.to + 1
        }
        return next === to + 1
      }),
    )
  })
})

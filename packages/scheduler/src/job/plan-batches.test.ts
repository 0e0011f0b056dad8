import { splitRange } from '@blockmill/core'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { planBatches, planPieces } from './plan-batches.ts'

const job = { id: 'job', chain: 'dev', task: 'fetch', args: {}, from: 0, to: 0 }

it('plans, page by page, the batches that splitting the range at once gives', () => {
  const requests = fc.record({
    from: fc.nat({ max: 1_000_000 }),
    blocks: fc.integer({ min: 1, max: 5_000 }),
    batchSize: fc.integer({ min: 1, max: 6_000 }),
    page: fc.integer({ min: 1, max: 50 }),
  })
  fc.assert(
    fc.property(requests, ({ from, blocks, batchSize, page }) => {
      fc.pre(blocks / batchSize < 500)
      const asked = { ...job, from, to: from + blocks - 1 }
      const planned = []
      for (;;) {
        const batches = planBatches(asked, { batchSize }, planned.at(-1)?.to, page)
        if (batches.length === 0) break
        planned.push(...batches)
      }
      expect(planned.map((batch) => ({ from: batch.from, to: batch.to }))).toEqual(
        splitRange(from, asked.to, batchSize).map((batch) => ({ from: batch.from, to: batch.to })),
      )
      expect(planned.map(({ number }) => number)).toEqual(planned.map((_, index) => index + 1))
    }),
    { numRuns: 50 },
  )
})

it('gives a batch the same id whenever it is planned, and each job ids of its own', () => {
  const asked = { ...job, to: 99 }
  const [first] = planBatches(asked, { batchSize: 100 }, undefined, 1)
  expect(planBatches(asked, { batchSize: 100 }, undefined, 1)).toEqual([first])
  const [other] = planBatches({ ...asked, id: 'other' }, { batchSize: 100 }, undefined, 1)
  expect(other?.taskId).not.toBe(first?.taskId)
})

it('tries pieces that look for a block once, and the smallest as often as whole batches', () => {
  const batch = { number: 7, maxAttempts: null }
  const pieces = [
    { from: 0, to: 19 },
    { from: 20, to: 29 },
  ]
  const planned = planPieces(job, { minBatch: 10 }, batch, pieces, true)
  expect(planned).toMatchObject([
    { from: 0, to: 19, number: 7, maxAttempts: 1 },
    { from: 20, to: 29, number: 7, maxAttempts: null },
  ])
  expect(planPieces(job, { minBatch: 1 }, batch, pieces, false).map(({ maxAttempts }) => maxAttempts)).toEqual([
    null,
    null,
  ])
})

it('plans and halves up to the highest block number there is', () => {
  const last = Number.MAX_SAFE_INTEGER
  const whole = { ...job, from: 0, to: last }
  const planned = planBatches(whole, { batchSize: 2 ** 52 }, undefined, 10)
  expect(planned.map(({ from, to }) => ({ from, to }))).toEqual([
    { from: 0, to: 2 ** 52 - 1 },
    { from: 2 ** 52, to: last },
  ])
  expect(planBatches(whole, { batchSize: 2 ** 52 }, last, 10)).toEqual([])
  expect(planBatches(whole, { batchSize: last }, undefined, 10).map(({ from, to }) => ({ from, to }))).toEqual([
    { from: 0, to: last - 1 },
    { from: last, to: last },
  ])
})

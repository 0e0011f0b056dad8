import { expect, it } from 'vitest'

import { batchSize, initialBatchLimit, lowerBatchLimit, MAX_BATCH } from './batch-limit.ts'

const MINUTE = 60_000

it('halves what was refused, down to single requests', () => {
  let limit = initialBatchLimit
  const sizes: number[] = []
  for (const nowMs of [1, 2, 3, 4, 5, 6, 7, 8]) {
    limit = lowerBatchLimit(limit, batchSize(limit, nowMs), nowMs)
    sizes.push(batchSize(limit, nowMs))
  }
  expect(sizes).toEqual([50, 25, 12, 6, 3, 1, 1, 1])
})

it('does not grow because a larger batch was refused late', () => {
  const limit = lowerBatchLimit(lowerBatchLimit(initialBatchLimit, 8, 0), 100, 1)
  expect(batchSize(limit, 1)).toBe(4)
})

it('tries large batches again ten minutes after the last refusal', () => {
  const limit = lowerBatchLimit(initialBatchLimit, 100, 5 * MINUTE)
  expect(batchSize(limit, 15 * MINUTE - 1)).toBe(50)
  expect(batchSize(limit, 15 * MINUTE)).toBe(MAX_BATCH)
  expect(batchSize(lowerBatchLimit(limit, 100, 15 * MINUTE), 15 * MINUTE)).toBe(50)
})

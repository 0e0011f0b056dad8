import {
  createRangeJob,
  defineRangeTask,
  type JsonObject,
  type RangeJobRequest,
  type StandardSchema,
} from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { obstacleOf, termsOf } from './job-terms.ts'

const run = () => null
const jobOf = (request: Partial<RangeJobRequest> = {}) =>
  createRangeJob({ chain: 'dev', task: 'fetch', from: 0, to: 99, createdBy: 'test', ...request }, new Date(0))

describe('termsOf', () => {
  it('takes from the task what the job does not say', () => {
    const task = defineRangeTask({
      name: 'fetch',
      queue: 'slow',
      batchSize: 50,
      minBatch: 5,
      retry: { maxAttempts: 7 },
      run,
    })
    expect(termsOf(jobOf(), task, 3)).toEqual({
      batchSize: 50,
      minBatch: 5,
      window: 1_000,
      queue: 'slow',
      lane: 'low',
      priority: 10,
      maxAttempts: 7,
      needsFinality: false,
    })
    const said = { batchSize: 20, minBatch: 2, window: 9, queue: 'own', priority: 3, maxAttempts: 1 }
    expect(termsOf(jobOf(said), task, 3)).toMatchObject({ ...said, lane: 'high' })
  })

  it('takes the low lane unless a priority says otherwise, and the default of attempts', () => {
    const task = defineRangeTask({ name: 'fetch', priority: 10, chainKind: 'evm', run })
    expect(termsOf(jobOf(), task, 3)).toMatchObject({ lane: 'normal', maxAttempts: 3, needsFinality: true })
  })

  it('has no smallest batch above the usual one', () => {
    expect(termsOf(jobOf({ batchSize: 2 }), defineRangeTask({ name: 'fetch', minBatch: 5, run }), 3).minBatch).toBe(2)
  })
})

describe('obstacleOf', () => {
  it('finds none where the task takes the job', () => {
    expect(obstacleOf(jobOf(), defineRangeTask({ name: 'fetch', run }))).toBeUndefined()
  })

  it('says what a job waits for that its task does not take, or that nobody knows', () => {
    const schema: StandardSchema<JsonObject> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => ('address' in (value as object) ? { value: {} } : { issues: [{ message: 'no address' }] }),
      },
    }
    const task = defineRangeTask({ name: 'fetch', schema, batchSize: 1, run })
    expect(obstacleOf(jobOf(), undefined)).toContain("knows no range task 'fetch'; deploy it there, or cancel this job")
    expect(obstacleOf(jobOf(), task)).toMatch(/does not take it: args: no address; cancel this job/)
    expect(obstacleOf(jobOf({ args: { address: 'a' }, to: 2_000_000 }), task)).toContain('2000001 batches')
  })
})

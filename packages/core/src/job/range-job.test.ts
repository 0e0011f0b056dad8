import { describe, expect, it } from 'vitest'

import { createRangeJob, type RangeJobRequest, rangeJobProblems } from './range-job.ts'

const request: RangeJobRequest = { chain: 'dev', task: 'a', from: 1, to: 10, createdBy: 'test' }
const now = new Date('2026-01-01T00:00:00.000Z')

describe('createRangeJob', () => {
  it('makes a pending job that leaves to its task what was not asked for', () => {
    expect(createRangeJob(request, now)).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      from: 1,
      to: 10,
      args: {},
      batchSize: null,
      minBatch: null,
      window: null,
      sink: 'postgres',
      state: 'pending',
      createdAt: now,
      finishedAt: null,
    })
  })

  it('takes a single block, the highest block, and the limits', () => {
    const highest = Number.MAX_SAFE_INTEGER
    const limits = {
      from: highest,
      to: highest,
      batchSize: highest,
      minBatch: 1,
      window: 10_000,
      sink: 'ndjson',
    } as const
    expect(createRangeJob({ ...request, ...limits }, now)).toMatchObject(limits)
    expect(rangeJobProblems({ from: 1, to: 1_000_000, batchSize: 1 })).toEqual([])
  })

  it('names every rule that is broken, with the value', () => {
    const make = () => createRangeJob({ ...request, from: 10, to: 3, batchSize: 0, window: -1 }, now)
    expect(make).toThrow(expect.objectContaining({ code: 'RANGE_JOB_INVALID', kind: 'non-retryable' }))
    expect(make).toThrow(
      'The range job cannot be started: from is 10 and to is 3; the first block may not be above the last; ' +
        'batchSize is 0; it must be a whole number from 1 to 9007199254740991; ' +
        'window is -1; it must be a whole number from 1 to 10000.',
    )
  })
})

describe('rangeJobProblems', () => {
  it.each([
    ['from', { from: -1 }, 'from is -1; it must be a block number'],
    ['from', { from: 11 }, 'from is 11 and to is 10;'],
    ['to', { to: 1.5 }, 'to is 1.5;'],
    ['batchSize', { batchSize: -5 }, 'batchSize is -5;'],
    ['batchSize', { batchSize: Number.NaN }, 'batchSize is NaN;'],
    [
      'batchSize',
      { from: 0, to: 1_000_000, batchSize: 1 },
      'batchSize is 1, which makes 1000001 batches of 1000001 blocks; at most 1000000 are allowed, so it must be at least 2',
    ],
    ['minBatch', { batchSize: 10, minBatch: 11 }, 'minBatch is 11 and batchSize is 10; it may not be larger'],
    ['window', { window: 10_001 }, 'window is 10001;'],
    ['queue', { queue: 'a.b' }, 'queue is "a.b"; it must be'],
    ['priority', { priority: 0.5 }, 'priority is 0.5;'],
    ['priority', { priority: 2 ** 31 }, 'priority is 2147483648; it must be a whole number from -2147483647 to'],
    ['maxAttempts', { maxAttempts: 0 }, 'maxAttempts is 0;'],
    ['sink', { sink: 's3' as 'ndjson' }, 'sink is "s3"; it must be one of postgres, ndjson'],
    ['args', { args: { big: 'x'.repeat(70_000) } }, 'at most 65536 are allowed'],
    ['args', { args: { text: 'a\u0000b' } }, 'args hold a NUL character'],
    ['args', { args: { text: '\ud83d' } }, 'half of a surrogate pair'],
  ] as const)('says what is wrong with %s in %j', (field, change, message) => {
    const problems = rangeJobProblems({ ...request, ...change })
    expect(problems).toEqual([{ field, message: expect.stringContaining(message) }])
  })

  it('takes texts that only look like what cannot be stored', () => {
    expect(rangeJobProblems({ ...request, args: { text: '\\u0000 😀 \\\\ud83d' } })).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'

import { type BackfillRequest, backfillProblems, createBackfillJob } from './backfill-job.ts'

const request: BackfillRequest = { chain: 'dev', task: 'a', head: 'finalized', from: 1, to: 10, createdBy: 'test' }
const now = new Date('2026-01-01T00:00:00.000Z')

describe('createBackfillJob', () => {
  it('makes a pending job whose tasks are those of a first run', () => {
    expect(createBackfillJob(request, now)).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      from: 1,
      to: 10,
      args: null,
      window: null,
      generation: 0,
      state: 'pending',
      createdAt: now,
    })
  })

  it('gives forced runs a generation of their own, so that they win over the record', () => {
    expect(createBackfillJob({ ...request, force: true }, now).generation).toBe(now.getTime())
  })

  it('takes a single block, the highest block, and the limits', () => {
    const highest = Number.MAX_SAFE_INTEGER
    const limits = { from: highest, to: highest, chunk: 500, window: 1, rate: 0.1 }
    expect(createBackfillJob({ ...request, ...limits }, now)).toMatchObject(limits)
  })

  it('names every rule that is broken, with the value', () => {
    const make = () => createBackfillJob({ ...request, from: 10, to: 3, chunk: 501, rate: 0 }, now)
    expect(make).toThrow(expect.objectContaining({ code: 'BACKFILL_INVALID', kind: 'non-retryable' }))
    expect(make).toThrow(
      'The back-fill cannot be started: from is 10 and to is 3; the first block may not be above the last; ' +
        'chunk is 501; it must be a whole number from 1 to 500; rate is 0; it must be above 0 and at most 1000000 tasks a second.',
    )
  })
})

describe('backfillProblems', () => {
  it.each([
    ['from', { from: -1 }, 'from is -1; it must be a block number'],
    ['from', { from: 1.5 }, 'from is 1.5;'],
    ['from', { from: Number.NaN }, 'from is NaN;'],
    ['to', { to: 2 ** 53 }, 'to is 9007199254740992; it must be a block number: whole, from 0 to 2^53 − 1'],
    ['to', { to: Number.POSITIVE_INFINITY }, 'to is Infinity;'],
    ['from', { from: 11 }, 'from is 11 and to is 10;'],
    ['chunk', { chunk: 0 }, 'chunk is 0;'],
    ['chunk', { chunk: 1.5 }, 'chunk is 1.5;'],
    ['window', { window: 0 }, 'window is 0; it must be a whole number from 1 to 1000000'],
    ['window', { window: -5 }, 'window is -5;'],
    ['rate', { rate: -1 }, 'rate is -1;'],
    ['rate', { rate: Number.NaN }, 'rate is NaN;'],
    ['args', { args: { big: 'x'.repeat(70_000) } }, 'at most 65536 are allowed'],
  ] as const)('says what is wrong with %s in %j', (field, change, message) => {
    const problems = backfillProblems({ ...request, ...change })
    expect(problems).toEqual([{ field, message: expect.stringContaining(message) }])
  })
})

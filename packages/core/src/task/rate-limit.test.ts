import { describe, expect, it } from 'vitest'
import { defineTask } from './define-task.ts'
import { parseRateLimit, type RateLimitOptions } from './rate-limit.ts'

const define = (rateLimit: unknown) =>
  defineTask({ name: 'limited', rateLimit: rateLimit as RateLimitOptions, run: () => undefined })

describe('the rate limit of a task', () => {
  it('is kept in milliseconds, and counts for each worker unless it says otherwise', () => {
    expect(define({ limit: 10, per: '1s' }).rateLimit).toEqual({ limit: 10, perMs: 1_000, scope: 'worker' })
    expect(define({ limit: 1, per: '24h', scope: 'global' }).rateLimit).toEqual({
      limit: 1,
      perMs: 86_400_000,
      scope: 'global',
    })
    expect(defineTask({ name: 'free', run: () => undefined })).not.toHaveProperty('rateLimit')
  })

  it.each([
    [{ limit: 0, per: '1s' }, 'rateLimit.limit is 0; it must be a whole number from 1 to 100000'],
    [{ limit: 1.5, per: '1s' }, 'rateLimit.limit is 1.5'],
    [{ limit: '10', per: '1s' }, 'rateLimit.limit is "10"'],
    [{ limit: 100_001, per: '1s' }, 'rateLimit.limit is 100001'],
    [{ limit: 10, per: '1ms' }, 'rateLimit.per is "1ms"; it must be a duration from 10ms to 1d'],
    [{ limit: 10, per: '2d' }, 'rateLimit.per is "2d"'],
    [{ limit: 10, per: 'second' }, 'rateLimit.per is "second"'],
    [{ limit: 10 }, 'rateLimit.per is undefined'],
    [{ limit: 10, per: '1s', scope: 'queue' }, 'rateLimit.scope is "queue"; it must be one of worker, global'],
    [null, 'rateLimit is null'],
    ['10/s', 'rateLimit is "10/s"'],
  ])('%j is refused', (rateLimit, problem) => {
    expect(() => define(rateLimit)).toThrow(problem)
  })

  it('has all of its problems told at once', () => {
    expect(() => define({ limit: -1, per: 'x', scope: 'all' })).toThrow(/limit[\s\S]*per[\s\S]*scope/)
  })
})

describe('the short form', () => {
  it.each([
    ['10/s', { limit: 10, perMs: 1_000, scope: 'worker' }],
    ['1000/m', { limit: 1_000, perMs: 60_000, scope: 'worker' }],
    ['5/250ms/global', { limit: 5, perMs: 250, scope: 'global' }],
    ['1/h/worker', { limit: 1, perMs: 3_600_000, scope: 'worker' }],
  ])('%j is a limit', (text, limit) => {
    expect(parseRateLimit(text)).toEqual(limit)
  })

  it.each(['10', '10/', '/s', '0/s', '10/x', '10/s/all', '10/0s', '-1/s', '1e3/s', '10/s/', '10 / s', ''])(
    '%j is none',
    (text) => {
      expect(parseRateLimit(text)).toBeUndefined()
    },
  )
})

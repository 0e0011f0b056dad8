import { loadConfig, workerSettings } from '@blockmill/core'
import { describe, expect, it } from 'vitest'
import { configFromSettings, workerConfig } from './worker-config.ts'

describe('the settings of a worker', () => {
  it('have the documented defaults', () => {
    expect(workerConfig({})).toMatchObject({
      queues: ['default'],
      concurrency: 50,
      prefetch: 100,
      graceMs: 30_000,
      stuckGraceMs: 5_000,
      heartbeatMs: 2_000,
      postponeDelayMs: 5_000,
      maxPostpones: 15,
      retry: { maxAttempts: 3, baseMs: 60_000, maxDelayMs: 86_400_000 },
      smallestDelayMs: 1_000,
    })
    expect(workerConfig({}).name).toMatch(/-\d+$/)
  })

  it('hold twice as many messages as handlers run, unless told otherwise', () => {
    expect(workerConfig({ concurrency: 7 }).prefetch).toBe(14)
    expect(workerConfig({ concurrency: 7, prefetch: 1 }).prefetch).toBe(1)
  })

  it('serve a queue once that is named twice', () => {
    expect(workerConfig({ queues: ['a', 'b', 'a'] }).queues).toEqual(['a', 'b'])
  })

  it('are refused all at once, each with its value and rule', () => {
    const wrong = { name: '', queues: ['a.b'], concurrency: 0, prefetch: 1.5, graceMs: -1, maxPostpones: Number.NaN }
    expect(() => workerConfig(wrong)).toThrow(/not valid:(\n {2}- .+){6}$/)
    expect(() => workerConfig({ concurrency: 0 })).toThrow('concurrency is 0; it must be a whole number from 1 up')
    expect(() => workerConfig({ queues: [] })).toThrow('queues is empty')
    const rateLimits = { 'a.b': { limit: 0, perMs: 1_000, scope: 'worker' } as const }
    expect(() => workerConfig({ rateLimits })).toThrow(/"a.b".*no name of a queue\n.*rateLimit.limit is 0/)
    expect(() => workerConfig({ maxPostpones: null, graceMs: 0 })).not.toThrow()
  })
})

it('takes what its process was started with', async () => {
  const environment = {
    CHAIN_URL: 'ws://127.0.0.1:9944',
    BLOCKMILL_WORKER_NAME: 'w7',
    BLOCKMILL_QUEUES: 'a,b',
    BLOCKMILL_CONCURRENCY: '9',
    BLOCKMILL_MAX_ATTEMPTS: '5',
    BLOCKMILL_RETRY_BACKOFF: '2m',
    BLOCKMILL_MAX_POSTPONES: 'unlimited',
    BLOCKMILL_RATE_LIMITS: 'a=10/s',
  }
  const { config } = await loadConfig(workerSettings, { environment, folder: '/nowhere' })
  expect(configFromSettings(config)).toMatchObject({
    name: 'w7',
    queues: ['a', 'b'],
    concurrency: 9,
    prefetch: 18,
    retry: { maxAttempts: 5, baseMs: 120_000, maxDelayMs: 86_400_000 },
    maxPostpones: null,
    rateLimits: { a: { limit: 10, perMs: 1_000, scope: 'worker' } },
  })
})

import { createSilentLogger, RetryableError } from '@blockmill/core'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createHeadRecord } from './head-record.ts'
import type { Heads } from './head-watcher.ts'

const block = (number: number) => ({ number, hash: `0x${number}`, parentHash: `0x${number - 1}` })
const heads = (number: number): Heads => ({ latest: block(number), finalized: block(number - 3) })

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => {
    expect(vi.getTimerCount(), 'timers left behind').toBe(0)
    vi.useRealTimers()
  })
})

function setUp(write: () => Promise<void> = async () => undefined) {
  const written: number[] = []
  const lost: unknown[] = []
  const stopping = new AbortController()
  const record = createHeadRecord({
    store: {
      async write(_, { latest }) {
        await write()
        written.push(latest.number)
      },
    },
    token: 1,
    stopping: stopping.signal,
    abandoned: stopping.signal,
    onLeaseLost: (error) => lost.push(error),
    logger: createSilentLogger(),
  })
  const over = record.run()
  onTestFinished(async () => {
    stopping.abort()
    await over
  })
  return { record, written, lost, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) }
}

describe('the heads on record', () => {
  it('are written at once, and then at most once a second, the newest of them', async () => {
    const { record, written, pass } = setUp()
    record.see(heads(10))
    await pass(0)
    for (let number = 11; number <= 40; number += 1) {
      record.see(heads(number))
      await pass(100)
    }
    expect(written).toEqual([10, 20, 30, 40])
  })

  it('are not written again while nothing moves', async () => {
    const { record, written, pass } = setUp()
    record.see(heads(10))
    await pass(60_000)
    expect(written).toEqual([10])
  })

  it('are tried again while the database is away', async () => {
    let isAway = true
    const { record, written, pass } = setUp(async () => {
      if (isAway) throw new RetryableError('DATABASE_UNREACHABLE', 'away')
    })
    record.see(heads(10))
    await pass(5_000)
    expect(written).toEqual([])
    isAway = false
    await pass(1_000)
    expect(written).toEqual([10])
  })

  it('tell when the lease is lost', async () => {
    const refused = new RetryableError('SCHEDULER_LEASE_LOST', 'lost')
    const { record, lost, pass } = setUp(() => Promise.reject(refused))
    record.see(heads(10))
    await pass(0)
    expect(lost).toEqual([refused])
  })
})

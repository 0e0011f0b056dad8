import { createSilentLogger, RetryableError } from '@blockmill/core'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import type { CoverageStore, EvaluatedRange } from './coverage-store.ts'
import { createCoverageWriter } from './coverage-writer.ts'

const away = new RetryableError('DATABASE_UNREACHABLE', 'away')
const lost = new RetryableError('SCHEDULER_LEASE_LOST', 'lost')
const range = (block: number): EvaluatedRange => ({
  task: 'a',
  args: {},
  argsHash: 'x',
  head: 'finalized',
  startBlock: 1,
  range: { from: block, to: block },
})

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
})

/** A store whose writes end when the test says how. */
function setUp() {
  const writes: { readonly token: number; readonly blocks: number[]; readonly end: (error?: Error) => void }[] = []
  const store: CoverageStore = {
    load: async () => [],
    register: async () => undefined,
    add: (token, ranges) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) => (error === undefined ? resolve() : reject(error))
        writes.push({ token, blocks: ranges.map((one) => one.range.from), end })
      }),
  }
  const abandoned = new AbortController()
  const writer = createCoverageWriter({
    store,
    token: 7,
    signal: abandoned.signal,
    logger: createSilentLogger(),
    metrics: { coverageWrite: { startTimer: () => () => undefined } },
  })
  return { writer, writes, abandoned }
}

describe('createCoverageWriter', () => {
  it('writes at once with the token, and what comes meanwhile together in the next write', async () => {
    const { writer, writes } = setUp()
    const added = [1, 2, 3].map((block) => writer.add(range(block)))
    expect(writes).toMatchObject([{ token: 7, blocks: [1] }])
    writes[0]?.end()
    await added[0]
    expect(writes).toMatchObject([{ blocks: [1] }, { blocks: [2, 3] }])
    writes[1]?.end()
    await Promise.all(added)
    const later = writer.add(range(4))
    expect(writes[2]?.blocks).toEqual([4])
    writes[2]?.end()
    await later
  })

  it('tries again while the database is away, after pauses that grow to five seconds', async () => {
    const { writer, writes } = setUp()
    const added = writer.add(range(1))
    for (const pause of [1_000, 2_000, 4_000, 5_000, 5_000]) {
      const before = writes.length
      writes.at(-1)?.end(away)
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(writes).toHaveLength(before)
      await vi.advanceTimersByTimeAsync(1)
      expect(writes).toHaveLength(before + 1)
    }
    writes.at(-1)?.end()
    await added
    expect(vi.getTimerCount()).toBe(0)
  })

  it('passes a refused write on to all who wait for it', async () => {
    const { writer, writes } = setUp()
    const added = [1, 2, 3].map((block) => writer.add(range(block)))
    writes[0]?.end(lost)
    await expect(added[0]).rejects.toBe(lost)
    writes[1]?.end(lost)
    expect(await Promise.allSettled(added)).toMatchObject(added.map(() => ({ status: 'rejected', reason: lost })))
  })

  it('does another write in its turn: after what was added before, and before what is added later', async () => {
    const { writer, writes } = setUp()
    const order: string[] = []
    const added = [1, 2].map((block) => writer.add(range(block)))
    const other = Promise.withResolvers<void>()
    const inTurn = writer.inTurn(async () => {
      order.push(`other after ${writes.flatMap(({ blocks }) => blocks).join()}`)
      await other.promise
    })
    const later = writer.add(range(3))
    writes[0]?.end()
    await added[0]
    writes[1]?.end()
    await added[1]
    await vi.waitFor(() => expect(order).toEqual(['other after 1,2']))
    expect(writes).toHaveLength(2)
    other.resolve()
    await inTurn
    await vi.waitFor(() => expect(writes).toMatchObject([{ blocks: [1] }, { blocks: [2] }, { blocks: [3] }]))
    writes[2]?.end()
    await later
  })

  it('goes on after another write that fails, which fails for who asked for it', async () => {
    const { writer, writes } = setUp()
    const inTurn = writer.inTurn(() => Promise.reject(lost))
    const later = writer.add(range(1))
    await expect(inTurn).rejects.toBe(lost)
    writes[0]?.end()
    await later
  })

  it('gives up when its signal aborts', async () => {
    const { writer, writes, abandoned } = setUp()
    const added = writer.add(range(1))
    writes[0]?.end(away)
    await vi.advanceTimersByTimeAsync(100)
    abandoned.abort()
    await expect(added).rejects.toMatchObject({ name: 'AbortError' })
    expect(vi.getTimerCount()).toBe(0)
  })
})

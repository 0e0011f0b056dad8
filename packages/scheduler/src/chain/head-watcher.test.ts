import { createSilentLogger, type Logger } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { type Heads, HeadWatcher } from './head-watcher.ts'

beforeEach(() => {
  vi.useFakeTimers()
  onTestFinished(() => {
    expect(vi.getTimerCount(), 'timers left behind').toBe(0)
    vi.useRealTimers()
  })
})

function watch({
  chain = createScriptedChain({ head: 100, finalityLag: 2 }),
  logger = createSilentLogger(),
  noNewHeadTimeoutMs,
}: { chain?: ScriptedChain; logger?: Logger; noNewHeadTimeoutMs?: number } = {}) {
  const seen: [number, number][] = []
  const looks: number[] = []
  const watcher = new HeadWatcher({
    source: chain,
    pollIntervalMs: 1_000,
    onHeads: ({ finalized, latest }: Heads) => seen.push([finalized.number, latest.number]),
    logger,
    onLook: ({ number }) => looks.push(number),
    noNewHeadTimeoutMs,
    metrics: { headSeen: () => undefined, chainReset: () => undefined },
  })
  onTestFinished(() => watcher.stop())
  watcher.start()
  return { chain, watcher, seen, looks, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) }
}

describe('HeadWatcher', () => {
  it('sees both tips at once when it starts', async () => {
    const { watcher, seen } = watch()
    expect(await watcher.firstHeads).toMatchObject({ finalized: { number: 98 }, latest: { number: 100 } })
    expect(seen).toEqual([[98, 100]])
    expect(watcher.isHealthy()).toBe(true)
  })

  it('looks at once when the chain hints at a new block', async () => {
    const { chain, seen, pass } = watch()
    await pass(10)
    chain.advance()
    await pass(0)
    expect(seen.at(-1)).toEqual([99, 101])
  })

  it('looks every poll interval without a hint, and tells only what has changed', async () => {
    const { chain, seen, pass } = watch()
    chain.setWakeUps(false)
    await pass(5_500)
    expect(chain.requests.head).toBe(6)
    expect(seen).toHaveLength(1)
    chain.advance(7)
    await pass(1_000)
    expect(seen).toEqual([
      [98, 100],
      [105, 107],
    ])
  })

  it('ignores tips that are lower than those seen before', async () => {
    const { chain, watcher, seen, looks, pass } = watch()
    await pass(10)
    chain.lag(50)
    await pass(3_000)
    expect(seen).toEqual([[98, 100]])
    expect(watcher.heads?.latest.number).toBe(100)
    expect(looks).toEqual([100, 50, 50, 50])
  })

  it('tells of a block of the same number that takes the place of another', async () => {
    const { chain, watcher, seen, pass } = watch()
    await pass(10)
    const before = watcher.heads?.latest.hash
    chain.reorg(1)
    await pass(0)
    expect(seen).toEqual([
      [98, 100],
      [98, 100],
    ])
    expect(watcher.heads?.latest.hash).not.toBe(before)
  })

  it('says so for each look that fails, is not healthy then, and goes on by itself', async () => {
    const warnings: unknown[] = []
    const logger = { info: () => undefined, warn: (...line: unknown[]) => warnings.push(line[1]) } as unknown as Logger
    const chain = createScriptedChain({ head: 100 })
    chain.fail(3, { request: 'head' })
    const { watcher, seen, pass } = watch({ chain, logger })
    await pass(2_500)
    expect(warnings).toEqual(Array.from({ length: 3 }, () => 'the chain does not answer; trying again'))
    expect(watcher.isHealthy()).toBe(false)
    await pass(1_000)
    expect(seen).toEqual([[100, 100]])
    expect(watcher.isHealthy()).toBe(true)
  })

  it('stops while the chain does not answer', async () => {
    const chain = createScriptedChain({ head: 100 })
    chain.stall()
    const { watcher, pass } = watch({ chain })
    await pass(10)
    await watcher.stop()
    await watcher.stop()
    chain.resume()
  })

  it('knows how long ago a block was first there', async () => {
    const { chain, watcher, pass } = watch()
    await pass(0)
    chain.advance()
    await pass(3_000)
    chain.advance(5)
    await pass(2_000)
    expect(watcher.lagSeconds('latest', 100)).toBe(5)
    expect(watcher.lagSeconds('latest', 101)).toBe(2)
    expect(watcher.lagSeconds('latest', 106)).toBe(0)
  })
})

describe('a chain that shows no new head', () => {
  const blocks = async ({ chain, pass }: ReturnType<typeof watch>, count: number, everyMs: number) => {
    for (let block = 0; block < count; block += 1) {
      await pass(everyMs)
      chain.advance()
      await pass(0)
    }
  }

  it('is reset after ten times the time between its blocks, and again as much later', async () => {
    const watched = watch()
    const { chain, pass } = watched
    await blocks(watched, 5, 6_000)
    await pass(59_999)
    expect(chain.resets).toEqual([])
    await pass(1)
    expect(chain.resets).toEqual(['no new head for 60 s'])
    await pass(59_999)
    expect(chain.resets).toHaveLength(1)
    await pass(1)
    expect(chain.resets).toHaveLength(2)
  })

  it('is reset after half a minute at the earliest, and after two minutes while it has shown but one head', async () => {
    const { chain, pass } = watch()
    await pass(119_999)
    expect(chain.resets).toEqual([])
    await pass(1)
    expect(chain.resets).toHaveLength(1)

    const quick = watch()
    await blocks(quick, 5, 100)
    await quick.pass(29_999)
    expect(quick.chain.resets).toEqual([])
    await quick.pass(1)
    expect(quick.chain.resets).toHaveLength(1)
  })

  it('is measured by its usual time between blocks, not by one long pause or one long jump', async () => {
    const watched = watch()
    const { chain, pass } = watched
    await blocks(watched, 10, 6_000)
    await pass(50_000)
    chain.advance(1_000)
    await blocks(watched, 1, 6_000)
    await pass(59_999)
    expect(chain.resets).toEqual([])
    await pass(1)
    expect(chain.resets).toHaveLength(1)
  })

  it('is reset after the time that is set', async () => {
    const { chain, pass } = watch({ noNewHeadTimeoutMs: 5_000 })
    await pass(15_000)
    expect(chain.resets).toHaveLength(3)
  })

  it('is one that lags behind what was seen already, and one that no longer answers, too', async () => {
    const { chain, watcher, pass } = watch({ noNewHeadTimeoutMs: 5_000 })
    await pass(10)
    chain.lag(50)
    for (let second = 0; second < 5; second += 1) {
      chain.advance()
      await pass(1_000)
    }
    expect(chain.resets).toHaveLength(1)
    chain.lag(0)
    await pass(1_000)
    chain.stall()
    await pass(5_000)
    expect(chain.resets).toHaveLength(2)
    chain.resume()
    await watcher.stop()
  })

  it('is left alone while its source looks for an endpoint anyway', async () => {
    const { chain, pass } = watch({ noNewHeadTimeoutMs: 5_000 })
    await pass(10)
    chain.disconnect()
    await pass(60_000)
    expect(chain.resets).toEqual([])
  })

  it('may be shorter than before: then its next block is new', async () => {
    const { chain, watcher, seen, pass } = watch({ noNewHeadTimeoutMs: 5_000 })
    await pass(4_000)
    watcher.rewind({ number: 97, hash: '0x97', parentHash: '0x96' })
    expect(watcher.heads?.latest.number).toBe(97)
    await pass(0)
    chain.advance()
    await pass(1_000)
    expect(seen.at(-1)).toEqual([99, 101])
    expect(chain.resets).toEqual([])
  })
})

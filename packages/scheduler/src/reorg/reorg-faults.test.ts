import { defineTask, type Logger, RetryableError } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { fakeTimers, lead, leading, range, settle } from '../../test/leadership-harness.ts'
import { createMemoryBranchStore } from '../../test/memory-branch-store.ts'
import { createMemoryCoverageStore } from '../../test/memory-coverage-store.ts'
import { createRecordingBroker } from '../../test/recording-broker.ts'
import { idOf, onLatest, orphaned, scheduled } from '../../test/reorg-harness.ts'

const run = () => null
fakeTimers()

describe('a step that is under way when its blocks are replaced', () => {
  it('does not add them to the coverage after its confirms have come', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const broker = createRecordingBroker()
    const { look, seconds, store, branches } = await leading({ tasks: [onLatest('a')], chain, broker })
    broker.confirm(false)
    chain.advanceTo(103)
    await look()
    expect(broker.blocks('a')).toEqual(range(100, 103))
    const [gone] = await chain.hashes([103])
    chain.reorg(1)
    await seconds(2)
    expect(branches.orphaned.map(({ hash }) => hash)).toEqual([gone])
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    broker.confirm(true)
    await seconds(1)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 103 }])
    expect(scheduled(broker, 'a').at(-1)?.hash).toBe((await chain.hashes([103]))[0])
    expect(orphaned(broker, 'a').map(({ taskId: id }) => id)).toEqual([idOf('a', 103, gone)])
  })

  it('schedules nothing for them any more', async () => {
    const answers: PromiseWithResolvers<boolean>[] = []
    const slow = onLatest('slow', ({ number }) => {
      if (number <= 100) return true
      const answer = Promise.withResolvers<boolean>()
      answers.push(answer)
      return answer.promise
    })
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, look, seconds, store } = await leading({ tasks: [slow], chain })
    chain.advance()
    await look()
    chain.reorg(1)
    await seconds(2)
    answers[0]?.resolve(true)
    await settle()
    expect(broker.blocks('slow')).toEqual([100])
    answers[1]?.resolve(true)
    await settle()
    expect(scheduled(broker, 'slow').map(({ hash }) => hash)).toEqual(await chain.hashes([100, 101]))
    expect(store.of('slow')?.evaluated).toEqual([{ from: 100, to: 101 }])
    expect(broker.events).toEqual([])
  })

  it('waits for the new blocks when it begins while the reorganisation is being recorded', async () => {
    let isBroken = true
    const flaky = onLatest('flaky', () => {
      if (isBroken) throw new Error('the oracle is asleep')
      return true
    })
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, branches, seconds } = await leading({ tasks: [flaky], chain })
    const recorded = Promise.withResolvers<void>()
    branches.onReplace = () => recorded.promise
    chain.reorg(1)
    await seconds(2)
    isBroken = false
    await seconds(10)
    expect(broker.messages).toEqual([])
    recorded.resolve()
    await seconds(1)
    expect(scheduled(broker, 'flaky').map(({ hash }) => hash)).toEqual(await chain.hashes([100]))
  })

  it('and belongs to another head goes on', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const broker = createRecordingBroker()
    const tasks = [onLatest('a'), defineTask({ name: 'final', run })]
    const { look, seconds, store } = await leading({ tasks, chain, broker })
    broker.confirm(false)
    chain.advanceTo(103)
    await look()
    chain.reorg(3)
    await seconds(2)
    broker.confirm(true)
    await settle()
    expect(broker.blocks('final')).toEqual(range(80, 83))
    expect(store.of('final')?.evaluated).toEqual([{ from: 80, to: 83 }])
  })
})

describe('a task that still looks back when blocks are replaced', () => {
  it('goes on with the live run where the chain has changed, and with the lookback on the low lane', async () => {
    const chain = createScriptedChain({ head: 1_000, finalityLag: 20 })
    const broker = createRecordingBroker()
    const looking = defineTask({ name: 'a', head: 'latest', backfill: { lookback: 900 }, run })
    const { seconds, store } = await leading({ tasks: [looking], chain, broker, queueWindow: 500 })
    broker.setDepth(500)
    chain.advanceTo(1_005)
    await seconds(2)
    expect(store.of('a')?.evaluated).toEqual([
      { from: 100, to: expect.any(Number) },
      { from: 1_000, to: 1_005 },
    ])
    chain.reorg(3)
    await seconds(2)
    const lanes = broker.messages.slice(-3).map(({ lane, items }) => [items[0]?.block?.number, lane])
    expect(lanes).toEqual([1_003, 1_004, 1_005].map((number) => [number, 'normal']))
    chain.reorg(7)
    await seconds(2)
    broker.setDepth(0)
    await seconds(2)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 1_005 }])
    const last = new Map(broker.messages.map(({ lane, items }) => [items[0]?.block?.number, lane]))
    expect(range(100, 998).every((number) => last.get(number) === 'low')).toBe(true)
  })
})

describe('a reorganisation without a scheduler', () => {
  it('is found at the next start', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const store = createMemoryCoverageStore()
    const branches = createMemoryBranchStore(store)
    const tasks = [onLatest('a')]
    const first = await lead({ tasks, chain, store, branches, start: 95 })
    await first.stop()
    const before = await chain.hashes(range(98, 100))
    chain.reorg(3)
    chain.advance(2)
    const { broker, seconds } = await leading({ tasks, chain, store, branches })
    await seconds(2)
    expect(branches.orphaned.map(({ hash }) => hash)).toEqual(before)
    expect(scheduled(broker, 'a').map(({ hash }) => hash)).toEqual(await chain.hashes(range(98, 102)))
    expect(store.of('a')?.evaluated).toEqual([{ from: 95, to: 102 }])
  })

  it('is found again when the process ended before it was on record', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const store = createMemoryCoverageStore()
    const branches = createMemoryBranchStore(store)
    const tasks = [onLatest('a')]
    const first = await lead({ tasks, chain, store, branches, start: 95 })
    branches.onReplace = () => new Promise(() => undefined)
    chain.reorg(3)
    await first.look()
    await vi.advanceTimersByTimeAsync(1_000)
    await first.look()
    first.leadership.abandon()
    await first.over
    expect(first.broker.blocks('a')).toEqual(range(95, 100))
    expect(branches.orphaned).toEqual([])

    branches.onReplace = async () => undefined
    const { broker, seconds } = await leading({ tasks, chain, store, branches })
    await seconds(2)
    expect(branches.orphaned.map(({ number }) => number)).toEqual([98, 99, 100])
    expect(broker.blocks('a')).toEqual([98, 99, 100])
  })

  it('is recorded as soon as the database is back', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const store = createMemoryCoverageStore()
    const branches = createMemoryBranchStore(store)
    const { broker, seconds } = await leading({ tasks: [onLatest('a')], chain, store, branches })
    let isAway = true
    branches.onReplace = async () => {
      if (isAway) throw new RetryableError('DATABASE_UNREACHABLE', 'away')
    }
    chain.reorg(1)
    await seconds(5)
    expect(broker.blocks('a')).toEqual([100])
    isAway = false
    await seconds(5)
    expect(broker.blocks('a')).toEqual([100, 100])
    expect(orphaned(broker, 'a')).toHaveLength(1)
  })
})

describe('a reorganisation deeper than the blocks that are kept', () => {
  const deep = async (finalizedHash: (chain: ScriptedChain) => Promise<string>) => {
    const errors: unknown[] = []
    const logger = {
      child: () => logger,
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (fields: unknown, text: string) => errors.push([fields, text]),
    } as unknown as Logger
    const chain = createScriptedChain({ head: 100, finalityLag: 40 })
    const store = createMemoryCoverageStore()
    const branches = createMemoryBranchStore(store)
    const tasks = [onLatest('a')]
    const first = await lead({ tasks, chain, store, branches, start: 50, reorgWindow: 8 })
    await first.stop()
    branches.setFinalized({ number: 60, hash: await finalizedHash(chain) })
    const hashes = await chain.hashes(range(50, 100))
    branches.setScheduled(range(50, 100).map((number, index) => ({ number, hash: hashes[index] ?? '' })))
    chain.reorg(20)
    const second = await leading({ tasks, chain, store, branches, reorgWindow: 8, logger })
    await second.seconds(2)
    return { ...second, errors }
  }

  it('raises an alarm, and schedules again from the finalized block on record', async () => {
    const { broker, errors, registry, store, branches } = await deep(
      async (chain) => (await chain.hashes([60]))[0] ?? '',
    )
    expect(errors).toMatchObject([
      [
        { kept: 8, lowest: 93, ancestor: 60, finalized: 60 },
        expect.stringContaining('from the finalized block on record'),
      ],
    ])
    expect(broker.blocks('a')).toEqual(range(61, 100))
    expect(store.of('a')?.evaluated).toEqual([{ from: 50, to: 100 }])
    expect(branches.orphaned.map(({ number }) => number)).toEqual(range(81, 100))
    const metrics = await registry.metrics()
    expect(metrics).toContain('blockmill_deep_reorgs_total{chain="dev"} 1')
    expect(metrics).toContain('blockmill_reorg_depth_blocks_sum{chain="dev"} 40')
  })

  it('schedules again from the lowest kept block when the chain has changed what was final', async () => {
    const { broker, errors } = await deep(async () => '0xother')
    expect(errors).toMatchObject([[{ ancestor: 92 }, expect.stringContaining('changes what was final')]])
    expect(broker.blocks('a')).toEqual(range(93, 100))
  })
})

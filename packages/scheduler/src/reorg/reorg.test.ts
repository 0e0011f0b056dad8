import { defineTask, everyNBlocks } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { fakeTimers, leading, range, settle } from '../../test/leadership-harness.ts'
import { createMemoryBranchStore } from '../../test/memory-branch-store.ts'
import { createMemoryCoverageStore } from '../../test/memory-coverage-store.ts'
import { createRecordingBroker } from '../../test/recording-broker.ts'
import { cancelled, fork, idOf, onLatest, orphaned, scheduled } from '../../test/reorg-harness.ts'
import { createSwitchingChain } from '../../test/switching-chain.ts'

const run = () => null
fakeTimers()

describe('a reorganisation', () => {
  it.each([1, 3, 10])('of depth %i orphans what was scheduled, and schedules the canonical blocks', async (depth) => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const final = defineTask({ name: 'final', run })
    const { broker, look, seconds, store, registry } = await leading({
      tasks: [onLatest('a'), onLatest('b'), final],
      chain,
    })
    chain.advanceTo(110)
    await look()
    const before = await chain.hashes(range(100, 110))
    chain.reorg(depth)
    await seconds(2)
    const after = await chain.hashes(range(100, 110))
    const replaced = range(111 - depth, 110)
    for (const task of ['a', 'b']) {
      const plan = [
        ...range(100, 110).map((number, index) => [number, before[index]]),
        ...replaced.map((number) => [number, after[number - 100]]),
      ]
      expect(scheduled(broker, task).map(({ number, hash }) => [number, hash])).toEqual(plan)
      const gone = replaced.map((number) => idOf(task, number, before[number - 100]))
      expect(orphaned(broker, task).map(({ taskId: id }) => id)).toEqual(gone)
      expect(cancelled(broker)).toEqual(expect.arrayContaining(gone))
      expect(store.of(task)?.evaluated).toEqual([{ from: 100, to: 110 }])
    }
    expect(cancelled(broker)).toHaveLength(2 * depth)
    expect(scheduled(broker, 'final').map(({ number }) => number)).toEqual(range(80, 90))
    expect(orphaned(broker, 'final')).toEqual([])
    const metrics = await registry.metrics()
    expect(metrics).toContain('blockmill_reorgs_total{chain="dev"} 1')
    expect(metrics).toContain(`blockmill_reorg_depth_blocks_sum{chain="dev"} ${depth}`)
    expect(metrics).toContain(`blockmill_tasks_orphaned_total{chain="dev",task="a"} ${depth}`)
  })

  it('is found when the head has gone on meanwhile, however far', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, seconds, store } = await leading({ tasks: [onLatest('a')], chain })
    chain.advanceTo(105)
    await seconds(1)
    chain.reorg(3)
    chain.advanceTo(120)
    await seconds(2)
    expect(orphaned(broker, 'a').map(({ block }) => block)).toEqual([103, 104, 105])
    expect(scheduled(broker, 'a').map(({ number }) => number)).toEqual([...range(100, 105), ...range(103, 120)])
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 120 }])
  })

  it('has the generation of its time, which outranks whatever happened to the task', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, seconds } = await leading({ tasks: [onLatest('a')], chain })
    chain.reorg(1)
    await seconds(2)
    const [event] = orphaned(broker, 'a')
    expect(event?.generation).toBeGreaterThan(Date.UTC(2026, 0, 1))
    expect(event?.at).toBe(new Date(event?.generation ?? 0).toISOString())
    expect(broker.orders).toMatchObject([{ type: 'cancel', sentAt: event?.generation }])
  })

  it.each([
    [1, 1],
    [31, 1],
    [100, 2],
    [300, 3],
  ])('of depth %i is found with %i requests for hashes', async (depth, requests) => {
    const chain = createScriptedChain({ head: 1_000, finalityLag: 500 })
    const { broker, seconds } = await leading({ tasks: [onLatest('a')], chain, start: 600 })
    const before = chain.requests.hashes
    chain.reorg(depth)
    await seconds(2)
    expect(broker.blocks('a')).toEqual([...range(600, 1_000), ...range(1_001 - depth, 1_000)])
    expect(chain.requests.hashes - before).toBe(requests)
  })

  it('may leave the chain shorter than before', async () => {
    const [longer, shorter] = fork(110, 104, 106)
    const { chain, use } = createSwitchingChain(longer)
    const { broker, seconds, store } = await leading({ tasks: [onLatest('a')], chain, start: 100 })
    use(shorter)
    await seconds(2)
    expect(orphaned(broker, 'a').map(({ block }) => block)).toEqual(range(105, 110))
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 106 }])
    shorter.advanceTo(112)
    await seconds(1)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 112 }])
    expect(scheduled(broker, 'a').map(({ number }) => number)).toEqual([...range(100, 110), ...range(105, 112)])
  })

  it('does not count as a new block for a periodic condition whose blocks it has not replaced', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, seconds, store } = await leading({
      tasks: [onLatest('a', everyNBlocks(10))],
      chain,
    })
    chain.advanceTo(109)
    await seconds(1)
    chain.reorg(5)
    await seconds(2)
    expect(scheduled(broker, 'a').map(({ number }) => number)).toEqual([100])
    expect(broker.events).toEqual([])
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 109 }])
  })
})

describe('a chain that goes back to blocks that it had left', () => {
  const thereAndBack = async (jumpMs = 0) => {
    const [first, second] = fork(110, 107, 110)
    const { chain, use } = createSwitchingChain(first)
    const store = createMemoryCoverageStore()
    const branches = createMemoryBranchStore(store)
    let offset = 0
    const now = () => Date.now() + offset
    const broker = createRecordingBroker()
    const options = { tasks: [onLatest('a')], chain, broker, store, branches, now, start: 100 }
    const scheduler = await leading(options)
    use(second)
    await scheduler.seconds(2)
    offset = jumpMs
    use(first)
    await scheduler.seconds(2)
    return { ...scheduler, options, first, second }
  }

  it.each([0, -3_600_000, 3_600_000])('runs their tasks again, also when the clock jumps by %i ms', async (jumpMs) => {
    const { broker, first, second, store } = await thereAndBack(jumpMs)
    const tasks = scheduled(broker, 'a')
    expect(tasks.slice(0, 11).map(({ generation }) => generation)).toEqual(range(100, 110).map(() => 0))
    const there = tasks.slice(11, 14)
    const back = tasks.slice(14)
    expect(there.map(({ hash }) => hash)).toEqual(await second.hashes([108, 109, 110]))
    expect(there.map(({ generation }) => generation)).toEqual([0, 0, 0])
    expect(back.map(({ hash }) => hash)).toEqual(await first.hashes([108, 109, 110]))
    expect(back.map(({ id }) => id)).toEqual(tasks.slice(8, 11).map(({ id }) => id))
    const orphanedAt = orphaned(broker, 'a').map(({ generation = 0 }) => generation)
    expect(orphanedAt).toHaveLength(6)
    for (const { generation } of back) expect(generation).toBeGreaterThan(orphanedAt[0] ?? 0)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 110 }])
  })

  it('gives them the same generation after a crash', async () => {
    const { broker, options, store, leadership, over } = await thereAndBack()
    const generation = scheduled(broker, 'a').at(-1)?.generation
    leadership.abandon()
    await over
    // As if the coverage had not been written before the crash.
    store.retract(110)
    const again = createRecordingBroker()
    await leading({ ...options, broker: again, start: 'resume' })
    expect(scheduled(again, 'a')).toMatchObject([{ number: 110, generation }])
  })

  it('also where it had become shorter in between', async () => {
    const [first, second] = fork(110, 104, 106)
    const { chain, use } = createSwitchingChain(first)
    const { broker, seconds } = await leading({ tasks: [onLatest('a')], chain, start: 100 })
    use(second)
    await seconds(2)
    use(first)
    await seconds(2)
    const back = scheduled(broker, 'a').slice(13)
    expect(back.map(({ number }) => number)).toEqual(range(105, 110))
    for (const { generation } of back) expect(generation).toBeGreaterThan(0)
  })
})

describe('no reorganisation', () => {
  it('is a lagging endpoint, for however long it answers', async () => {
    const chain = createScriptedChain({ head: 110, finalityLag: 20 })
    const { broker, seconds, branches } = await leading({ tasks: [onLatest('a')], chain, start: 100 })
    const before = branches.blocks
    chain.lag(8)
    await seconds(30)
    chain.lag(0)
    await seconds(2)
    chain.lag(2_000)
    await seconds(5)
    expect(broker.events).toEqual([])
    expect(branches.blocks).toEqual(before)
    expect(scheduled(broker, 'a')).toHaveLength(11)
  })

  it('are endpoints of two branches that take turns', async () => {
    const [ours, theirs] = fork(110, 107, 110)
    const { chain, use } = createSwitchingChain(ours)
    const { broker, look, store } = await leading({ tasks: [onLatest('a')], chain, start: 100 })
    for (let turn = 0; turn < 20; turn += 1) {
      use(theirs)
      await look()
      await vi.advanceTimersByTimeAsync(500)
      use(ours)
      ours.advance()
      await look()
      await vi.advanceTimersByTimeAsync(700)
    }
    expect(broker.events).toEqual([])
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 130 }])
  })

  it('are answers that do not fit together, until they do', async () => {
    const [ours, theirs] = fork(110, 107, 115)
    const { chain, use } = createSwitchingChain(ours)
    const { broker, leadership, store } = await leading({ tasks: [onLatest('a')], chain, start: 100 })
    // The head comes from one endpoint, the hashes below it from another.
    for (let second = 0; second < 5; second += 1) {
      leadership.look(await theirs.head())
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(broker.events).toEqual([])
    use(theirs)
    leadership.look(await theirs.head())
    await vi.advanceTimersByTimeAsync(6_000)
    await settle()
    expect(orphaned(broker, 'a').map(({ block }) => block)).toEqual([108, 109, 110])
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 115 }])
  })

  it('is asked about while the head goes on block by block', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const tasks = Array.from({ length: 20 }, (_, index) => onLatest(`task-${index}`))
    const { broker, look } = await leading({ tasks, chain })
    const before = chain.requests.hashes
    for (let block = 0; block < 10; block += 1) {
      chain.advance()
      await look()
    }
    expect(chain.requests.hashes).toBe(before)
    expect(broker.blocks('task-19')).toEqual(range(100, 110))
  })
})

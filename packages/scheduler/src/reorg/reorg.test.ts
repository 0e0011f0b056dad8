import { type Condition, defineTask, everyNBlocks, type Logger, RetryableError, taskId } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { type HarnessOptions, lead, settle } from '../../test/leadership-harness.ts'
import { createMemoryBranchStore } from '../../test/memory-branch-store.ts'
import { createMemoryCoverageStore } from '../../test/memory-coverage-store.ts'
import { createRecordingBroker, type RecordingBroker } from '../../test/recording-broker.ts'
import { createSwitchingChain } from '../../test/switching-chain.ts'

const run = () => null
const onLatest = (name: string, condition?: Condition<Record<string, never>>) =>
  defineTask({ name, head: 'latest', run, ...(condition !== undefined && { condition }) })
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  onTestFinished(() => {
    expect(vi.getTimerCount(), 'timers left behind').toBe(0)
    vi.useRealTimers()
  })
})

/** A leading scheduler that looks at the chain every second, and stops with its test. */
async function leading(options: HarnessOptions) {
  const scheduler = await lead(options)
  onTestFinished(() => scheduler.stop())
  return {
    ...scheduler,
    /** Lets seconds pass. */
    seconds: async (count: number) => {
      for (let second = 0; second < count; second += 1) {
        await scheduler.look()
        await vi.advanceTimersByTimeAsync(1_000)
      }
      await scheduler.look()
    },
  }
}

/** Chains that are the same up to a block, and differ above it. */
function fork(head: number, above: number, forkHead: number): [ScriptedChain, ScriptedChain] {
  const other = createScriptedChain({ head: forkHead, finalityLag: 50 })
  if (forkHead > above) other.reorg(forkHead - above)
  return [createScriptedChain({ head, finalityLag: 50 }), other]
}

const scheduled = (broker: RecordingBroker, task: string) =>
  broker.messages
    .filter((message) => message.task === task)
    .flatMap(({ items, generation = 0 }) => items.map(({ id, block }) => ({ id, generation, ...block })))
const orphaned = (broker: RecordingBroker, task: string) =>
  broker.events.filter((event) => event.type === 'orphaned' && event.task === task)
const cancelled = (broker: RecordingBroker) =>
  broker.orders.flatMap((order) => (order.type === 'cancel' ? order.taskIds : []))
const idOf = (task: string, number: number, hash: string | undefined) =>
  taskId({ chain: 'dev', task, args: {}, block: { number, ...(hash !== undefined && { hash }) } })

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
    chain.reorg(20)
    const second = await leading({ tasks, chain, store, branches, reorgWindow: 8, logger })
    await second.seconds(2)
    return { ...second, errors }
  }

  it('raises an alarm, and schedules again from the finalized block on record', async () => {
    const { broker, errors, registry, store } = await deep(async (chain) => (await chain.hashes([60]))[0] ?? '')
    expect(errors).toMatchObject([
      [
        { kept: 8, lowest: 93, ancestor: 60, finalized: 60 },
        expect.stringContaining('from the finalized block on record'),
      ],
    ])
    expect(broker.blocks('a')).toEqual(range(61, 100))
    expect(store.of('a')?.evaluated).toEqual([{ from: 50, to: 100 }])
    expect(await registry.metrics()).toContain('blockmill_deep_reorgs_total{chain="dev"} 1')
  })

  it('schedules again from the lowest kept block when the chain has changed what was final', async () => {
    const { broker, errors } = await deep(async () => '0xother')
    expect(errors).toMatchObject([[{ ancestor: 92 }, expect.stringContaining('changes what was final')]])
    expect(broker.blocks('a')).toEqual(range(93, 100))
  })
})

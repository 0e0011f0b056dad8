import {
  type Condition,
  defineTask,
  everyNBlocks,
  type JsonObject,
  RetryableError,
  setSize,
  TASK_MESSAGE_TYPE,
} from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createRecordingBroker } from '../test/recording-broker.ts'
import { type HarnessOptions, lead, settle } from '../test/leadership-harness.ts'
import { createMemoryCoverageStore } from '../test/memory-coverage-store.ts'

const run = () => null
const task = (name: string, condition?: Condition<Record<string, never>>) =>
  defineTask({ name, run, ...(condition !== undefined && { condition }) })
const blocks = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  // Registered first, so that it comes last: when the scheduler of the test has stopped.
  onTestFinished(() => {
    expect(vi.getTimerCount(), 'timers left behind').toBe(0)
    vi.useRealTimers()
  })
})

/** A leading scheduler that stops with its test. */
const leading = async (options: HarnessOptions) => {
  const scheduler = await lead(options)
  onTestFinished(() => scheduler.stop())
  return scheduler
}

describe('where scheduling starts', () => {
  it('includes the start block and the head', async () => {
    const { broker } = await leading({ tasks: [task('a')], chain: createScriptedChain({ head: 103 }), start: 100 })
    expect(broker.blocks('a')).toEqual([100, 101, 102, 103])
  })

  it('starts a first run ever at the current head', async () => {
    const { broker, store } = await leading({ tasks: [task('a')] })
    expect(broker.blocks('a')).toEqual([100])
    expect(store.of('a')).toMatchObject({ startBlock: 100, evaluated: [{ from: 100, to: 100 }] })
  })

  it('waits for a start block that is still to come', async () => {
    const { broker, chain, look } = await leading({ tasks: [task('a')], start: 102 })
    chain.advanceTo(101)
    await look()
    expect(broker.blocks('a')).toEqual([])
    chain.advanceTo(103)
    await look()
    expect(broker.blocks('a')).toEqual([102, 103])
  })

  it('resumes at the first block that was not evaluated, for each task', async () => {
    const store = createMemoryCoverageStore()
    const first = await lead({ tasks: [task('a')], store, chain: createScriptedChain({ head: 89 }) })
    await first.stop()
    const { broker } = await leading({
      tasks: [task('a'), task('b')],
      store,
      chain: createScriptedChain({ head: 92 }),
    })
    expect(broker.blocks('a')).toEqual([90, 91, 92])
    expect(broker.blocks('b')).toEqual([92])
  })

  it('starts at the head that was seen at start with `current`, whatever is on record', async () => {
    const store = createMemoryCoverageStore()
    const first = await lead({ tasks: [task('a')], store, chain: createScriptedChain({ head: 50 }) })
    await first.stop()
    const { broker } = await leading({ tasks: [task('a')], store, start: 'current' })
    expect(broker.blocks('a')).toEqual([100])
  })

  it('fills in the blocks below a start block set lower than before on the low lane, once', async () => {
    const store = createMemoryCoverageStore()
    await (await lead({ tasks: [task('a')], store })).stop()
    const { broker, chain, look } = await leading({ tasks: [task('a')], store, start: 97 })
    chain.advance()
    await look()
    const lanes = broker.messages.map(({ lane, items }) => [items[0]?.block?.number, lane])
    expect(lanes).toEqual(
      expect.arrayContaining([
        [97, 'low'],
        [98, 'low'],
        [99, 'low'],
        [101, 'normal'],
      ]),
    )
    expect(lanes).toHaveLength(4)
  })
})

describe('following the head', () => {
  it('evaluates every block in order, however far the head jumps', async () => {
    const { broker, chain, look } = await leading({ tasks: [task('a')], chain: createScriptedChain({ head: 90 }) })
    for (const head of [100, 105, 112]) {
      chain.advanceTo(head)
      await look()
    }
    expect(broker.blocks('a')).toEqual(blocks(90, 112))
  })

  it('takes a jump of thousands of blocks in batches, each confirmed before the next', async () => {
    const broker = createRecordingBroker()
    const { chain, look, store } = await leading({ tasks: [task('a')], broker })
    broker.confirm(false)
    chain.advanceTo(3_100)
    await look()
    expect(broker.blocks('a')).toEqual(blocks(100, 600))
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    broker.confirm(true)
    await settle()
    expect(broker.blocks('a')).toEqual(blocks(100, 3_100))
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 3_100 }])
  })

  it('makes 10,000 tasks and one range of coverage of a million blocks with n % 100', async () => {
    const { broker, store } = await leading({
      tasks: [task('asked', ({ number }) => number % 100 === 0), task('stepped', everyNBlocks(100))],
      chain: createScriptedChain({ head: 999_999 }),
      start: 0,
    })
    await vi.waitFor(() => expect(setSize(store.of('asked')?.evaluated ?? [])).toBe(1_000_000), { timeout: 4_000 })
    expect(broker.blocks('asked')).toHaveLength(10_000)
    expect(broker.blocks('stepped')).toHaveLength(10_000)
    expect(store.of('asked')?.evaluated).toEqual([{ from: 0, to: 999_999 }])
    expect(store.of('stepped')?.evaluated).toEqual([{ from: 0, to: 999_999 }])
  })

  it('follows the head that each task has chosen, and names blocks on `latest` by their hash', async () => {
    const latest = defineTask({ name: 'latest', head: 'latest', run })
    const chain = createScriptedChain({ head: 100, finalityLag: 3 })
    const { broker, look } = await leading({ tasks: [task('finalized'), latest], chain })
    chain.advance(2)
    await look()
    expect(broker.blocks('finalized')).toEqual([97, 98, 99])
    expect(broker.blocks('latest')).toEqual([100, 101, 102])
    const ofLatest = broker.messages.filter((message) => message.task === 'latest')
    expect(ofLatest.map(({ items }) => items[0]?.block?.hash)).toEqual(await chain.hashes([100, 101, 102]))
  })

  it('tells conditions on `latest` the hash of each block', async () => {
    const chain = createScriptedChain({ head: 100 })
    const [wanted] = await createScriptedChain({ head: 102 }).hashes([102])
    const picky = defineTask({ name: 'picky', head: 'latest', condition: ({ hash }) => hash === wanted, run })
    const { broker, look } = await leading({ tasks: [picky], chain })
    chain.advance(4)
    await look()
    expect(broker.blocks('picky')).toEqual([102])
  })

  it('tries again when the hashes of new blocks cannot be had yet', async () => {
    const chain = createScriptedChain({ head: 100 })
    chain.fail(2, { request: 'hashes' })
    const { broker } = await leading({ tasks: [defineTask({ name: 'latest', head: 'latest', run })], chain })
    expect(broker.blocks('latest')).toEqual([])
    await vi.advanceTimersByTimeAsync(3_000)
    expect(broker.blocks('latest')).toEqual([100])
  })

  it('shares coverage writes between tasks', async () => {
    const tasks = Array.from({ length: 100 }, (_, index) => task(`task-${index}`))
    const { chain, look, store } = await leading({ tasks })
    const before = store.writes
    chain.advance()
    await look()
    expect(store.of('task-99')?.evaluated).toEqual([{ from: 100, to: 101 }])
    expect(store.writes - before).toBeLessThanOrEqual(5)
  })
})

describe('a condition that fails', () => {
  it('is tried again for its block, which coverage does not pass, while other tasks go on', async () => {
    let isBroken = true
    const asked: number[] = []
    const flaky = task('flaky', ({ number }) => {
      asked.push(number)
      if (number === 102 && isBroken) throw new Error('the oracle is asleep')
      return true
    })
    const { broker, chain, look, store, registry } = await leading({ tasks: [flaky, task('other')] })
    chain.advanceTo(104)
    await look()
    expect(broker.blocks('flaky')).toEqual([100, 101])
    expect(broker.blocks('other')).toEqual(blocks(100, 104))
    expect(store.of('flaky')?.evaluated).toEqual([{ from: 100, to: 101 }])
    expect(await registry.metrics()).toContain('blockmill_condition_errors_total{chain="dev",task="flaky"} 1')

    isBroken = false
    await vi.advanceTimersByTimeAsync(999)
    expect(broker.blocks('flaky')).toEqual([100, 101])
    await vi.advanceTimersByTimeAsync(1)
    expect(broker.blocks('flaky')).toEqual(blocks(100, 104))
    expect(asked.filter((number) => number === 101)).toHaveLength(1)
  })

  it('is tried again after pauses that grow to a minute, and not sooner for new heads', async () => {
    const times: number[] = []
    const broken = task('broken', () => {
      times.push(Date.now())
      throw new Error('always')
    })
    const { chain, look } = await leading({ tasks: [broken] })
    for (let seconds = 0; seconds < 300; seconds += 1) {
      await vi.advanceTimersByTimeAsync(1_000)
      chain.advance()
      await look()
    }
    const pauses = times.slice(1).map((time, index) => (time - (times[index] ?? 0)) / 1_000)
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
  })

  it('holds up only the set of arguments that it fails for', async () => {
    const condition: Condition<{ netuid: number }> = (_, { netuid }) => {
      if (netuid === 3) throw new Error('no such subnet')
      return true
    }
    const snapshot = defineTask({ name: 'snapshot', args: [{ netuid: 1 }, { netuid: 3 }], condition, run })
    const { broker, chain, look } = await leading({ tasks: [snapshot] })
    chain.advanceTo(102)
    await look()
    expect(broker.messages.map(({ items }) => [items[0]?.block?.number, items[0]?.args])).toEqual([
      [100, { netuid: 1 }],
      [101, { netuid: 1 }],
      [102, { netuid: 1 }],
    ])
  })

  it('may be asynchronous: one that never answers counts as failed after ten seconds and holds up nobody', async () => {
    const signals: AbortSignal[] = []
    const silent = task('silent', (_, __, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    })
    const { broker, chain, look, store, registry } = await leading({ tasks: [silent, task('other')] })
    chain.advanceTo(105)
    await look()
    expect(broker.blocks('other')).toEqual(blocks(100, 105))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(signals[0]?.aborted).toBe(true)
    expect(await registry.metrics()).toMatch(/blockmill_condition_errors_total\{[^}]*task="silent"[^}]*\} 1/)
    expect(store.of('silent')?.evaluated).toEqual([])
  })

  it('is asked with access to the chain', async () => {
    const access = { id: 'dev', kind: 'substrate' }
    const reading = task('reading', async ({ number }, _, { chain }) => chain.id === 'dev' && number % 2 === 1)
    const { broker, chain, look } = await leading({ tasks: [reading], access: access as never })
    chain.advanceTo(140)
    await look()
    expect(broker.blocks('reading')).toEqual(blocks(100, 140).filter((number) => number % 2 === 1))
  })
})

describe('arguments', () => {
  it('that are none at first start at the head when there are some, not where the service has started', async () => {
    let netuids: number[] = []
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing], start: 50 })
    chain.advanceTo(200)
    await look()
    netuids = [1]
    chain.advance()
    await look()
    expect(broker.blocks('growing')).toEqual([201])
  })

  it('of a function are asked for at each head; those that appear start at the head', async () => {
    let netuids = [1]
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing], start: 99 })
    netuids = [1, 2]
    chain.advance()
    await look()
    netuids = [2]
    chain.advance()
    await look()
    const scheduled = broker.messages.map(({ items }) => `${items[0]?.block?.number}/${String(items[0]?.args.netuid)}`)
    expect(scheduled.sort()).toEqual(['100/1', '101/1', '101/2', '102/2', '99/1'])
  })

  it('that come back go on where they were left', async () => {
    let netuids = [1, 2]
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing] })
    for (const now of [[1], [1], [1, 2]]) {
      netuids = now
      chain.advance()
      await look()
    }
    const ofTwo = broker.messages.filter(({ items }) => items[0]?.args.netuid === 2)
    expect(ofTwo.map(({ items }) => items[0]?.block?.number)).toEqual([100, 101, 102, 103])
  })

  it('whose function throws are asked for again, and other tasks go on', async () => {
    let isBroken = true
    const args = () => {
      if (isBroken) throw new Error('no list today')
      return [{ netuid: 1 }]
    }
    const broken = defineTask<JsonObject, null>({ name: 'broken', args, run })
    const { broker, registry } = await leading({ tasks: [broken, task('other')] })
    expect(broker.blocks('other')).toEqual([100])
    expect(await registry.metrics()).toMatch(/blockmill_condition_errors_total\{[^}]*task="broken"[^}]*\} 1/)
    isBroken = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(broker.blocks('broken')).toEqual([100])
  })

  it('of none mean no runs, and one warning', async () => {
    const lines: unknown[] = []
    const logger = { child: () => logger, warn: (...line: unknown[]) => lines.push(line) } as never
    const idle = defineTask<JsonObject, null>({ name: 'idle', args: [], run })
    const { broker, chain, look } = await leading({ tasks: [idle], logger })
    chain.advance()
    await look()
    expect(broker.messages).toEqual([])
    expect(lines).toEqual([[{ task: 'idle' }, 'a task has no arguments and so no runs']])
  })
})

describe('messages', () => {
  it('go to the work queue of their task, and to the monitor', async () => {
    const broker = createRecordingBroker()
    await broker.declare(broker.topology.work('high-priority'))
    const urgent = defineTask({ name: 'urgent', queue: 'high-priority', priority: 1, run })
    await leading({ tasks: [urgent], broker })
    for (const queue of [broker.topology.workQueue('high-priority', 'high'), broker.topology.monitorQueue]) {
      expect(broker.ready(queue)).toMatchObject([
        { type: TASK_MESSAGE_TYPE, messageId: broker.messages[0]?.items[0]?.id },
      ])
    }
  })
})

describe('coverage', () => {
  it('is written after the confirms: a crash in between yields the same ids again, and no gap', async () => {
    const broker = createRecordingBroker()
    const store = createMemoryCoverageStore()
    const chain = createScriptedChain({ head: 100 })
    const first = await lead({ tasks: [task('a')], broker, store, chain })
    broker.confirm(false)
    chain.advanceTo(103)
    await first.look()
    const crashed = broker.messages.slice(1).map(({ items }) => items[0]?.id)
    first.leadership.abandon()
    await first.over
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])

    const { broker: after } = await leading({ tasks: [task('a')], store, chain })
    expect(after.blocks('a')).toEqual([101, 102, 103])
    expect(after.messages.map(({ items }) => items[0]?.id)).toEqual(crashed)
  })

  it('is written again and again while the database is away, and nothing is scheduled twice for that', async () => {
    const { broker, chain, look, store } = await leading({ tasks: [task('a')] })
    store.failNext(3)
    chain.advance()
    await look()
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 101 }])
    expect(broker.blocks('a')).toEqual([100, 101])
  })

  it('is refused to a former leader, which gives up what it has under way', async () => {
    const { broker, chain, look, over, store } = await lead({ tasks: [task('a'), task('b')] })
    store.setToken(2)
    chain.advance()
    await look()
    await over
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    chain.advance()
    await look()
    expect(broker.blocks('a')).toEqual([100, 101])
  })

  it('does not contain blocks whose messages the broker refused; they are published again', async () => {
    const { broker, chain, look, store } = await leading({ tasks: [task('a')] })
    broker.failNext(1, new RetryableError('BROKER_PUBLISH_FAILED', 'rejected'))
    chain.advanceTo(102)
    await look()
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 102 }])
  })
})

describe('lookback', () => {
  const looking = (lookback: number) => defineTask({ name: 'looking', backfill: { lookback, queue: 'slow' }, run })

  it('schedules the blocks before the head once, on the low lane, and each new head as ever', async () => {
    const { broker, chain, look } = await leading({ tasks: [looking(3)], chain: createScriptedChain({ head: 11 }) })
    for (const head of [12, 13]) {
      chain.advanceTo(head)
      await look()
    }
    const scheduled = broker.messages.map(({ items, ...rest }) => [
      items[0]?.block?.number,
      rest.cause,
      rest.queue,
      rest.lane,
    ])
    expect(scheduled).toEqual([
      [11, 'live', 'default', 'normal'],
      [8, 'lookback', 'slow', 'low'],
      [9, 'lookback', 'slow', 'low'],
      [10, 'lookback', 'slow', 'low'],
      [12, 'live', 'default', 'normal'],
      [13, 'live', 'default', 'normal'],
    ])
  })

  it('covers 4700 to 5000 for a task that is added with lookback 300 at head 5000', async () => {
    const { broker, store } = await leading({ tasks: [looking(300)], chain: createScriptedChain({ head: 5_000 }) })
    expect(broker.blocks('looking').sort((a, b) => a - b)).toEqual(blocks(4_700, 5_000))
    expect(store.of('looking')).toMatchObject({ startBlock: 4_700, evaluated: [{ from: 4_700, to: 5_000 }] })
  })

  it('schedules in order, on the lane of its own, from a start block that is given as a number', async () => {
    const chain = createScriptedChain({ head: 103 })
    const { broker } = await leading({ tasks: [looking(20)], chain, start: 100 })
    const scheduled = broker.messages.map(({ items, cause, lane }) => [items[0]?.block?.number, cause, lane])
    expect(scheduled).toEqual(blocks(100, 103).map((block) => [block, 'live', 'normal']))
  })

  it('goes on after a restart in the middle, without a second time for any block', async () => {
    const store = createMemoryCoverageStore()
    const broker = createRecordingBroker()
    const chain = createScriptedChain({ head: 5_000 })
    broker.setDepth(10_000)
    const first = await lead({ tasks: [looking(300)], store, broker, chain })
    expect(broker.blocks('looking')).toEqual([5_000])
    await first.stop()
    chain.advance()
    broker.setDepth(0)
    await leading({ tasks: [looking(300)], store, broker, chain })
    expect(broker.blocks('looking').sort((a, b) => a - b)).toEqual(blocks(4_700, 5_001))
  })

  it('waits while the low lane is full, and never holds up the head', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(50)
    const { chain, look } = await leading({ tasks: [looking(3)], broker, queueWindow: 50 })
    chain.advance()
    await look()
    expect(broker.blocks('looking')).toEqual([100, 101])
    broker.setDepth(49)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(broker.blocks('looking')).toEqual([100, 101, 97, 98, 99])
  })
})

describe('room on the broker', () => {
  const normal = 'blockmill.work.default.normal'

  it('bounds a live run far behind the head, which then goes on in order', async () => {
    const broker = createRecordingBroker()
    const chain = createScriptedChain({ head: 5_000_000 })
    const { look, store } = await leading({ tasks: [task('a')], broker, chain, start: 1, queueWindow: 2_000 })
    expect(broker.blocks('a')).toEqual(blocks(1, 2_000))
    broker.setDepth(2_000, normal)
    await vi.advanceTimersByTimeAsync(10_000)
    chain.advance()
    await look()
    expect(broker.blocks('a')).toHaveLength(2_000)
    broker.setDepth(500, normal)
    await vi.advanceTimersByTimeAsync(1_000)
    await settle()
    expect(broker.blocks('a')).toEqual(blocks(1, 3_500))
    expect(store.of('a')?.evaluated).toEqual([{ from: 1, to: 3_500 }])
  })

  it('is not asked for at the head, where blocks are scheduled however full the lane is', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(1_000_000)
    const { chain, look } = await leading({ tasks: [task('a')], broker })
    for (const head of [101, 150, 600]) {
      chain.advanceTo(head)
      await look()
    }
    expect(broker.blocks('a')).toEqual(blocks(100, 600))
    expect(broker.depthRequests).toBe(0)
  })

  it('is asked for once a second, however many tasks are far behind', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(10_000)
    const tasks = Array.from({ length: 50 }, (_, index) => task(`task-${index}`))
    await leading({ tasks, broker, chain: createScriptedChain({ head: 5_000 }), start: 1 })
    expect(broker.depthRequests).toBe(1)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(broker.depthRequests).toBeLessThanOrEqual(4)
    expect(broker.messages).toEqual([])
  })

  it('lets what is looked back at wait while the monitor is far behind, and the head go on', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(1_001, broker.topology.monitorQueue)
    const looking = defineTask({ name: 'looking', backfill: { lookback: 3 }, run })
    const { chain, look } = await leading({ tasks: [looking], broker, monitorLimit: 1_000 })
    chain.advance()
    await look()
    expect(broker.blocks('looking')).toEqual([100, 101])
    broker.setDepth(1_000, broker.topology.monitorQueue)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(broker.blocks('looking')).toEqual([100, 101, 97, 98, 99])
  })
})

describe('stopping', () => {
  it('lets the step under way end, and begins no other', async () => {
    const broker = createRecordingBroker()
    const { chain, look, leadership, over, store } = await lead({ tasks: [task('a')], broker })
    broker.confirm(false)
    chain.advanceTo(2_000)
    await look()
    leadership.stop()
    broker.confirm(true)
    await over
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 600 }])
    expect(broker.blocks('a')).toEqual(blocks(100, 600))
  })

  it('is at once when nothing is under way, also before the first head was worked on', async () => {
    const idle = await lead({ tasks: [task('a')] })
    await idle.stop()
    idle.leadership.abandon()
    await expect(idle.over).resolves.toBeUndefined()
  })
})

import { type Condition, defineTask, everyNBlocks, RetryableError, TASK_MESSAGE_TYPE } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { fakeTimers, lead, leading, range, settle } from '../test/leadership-harness.ts'
import { createMemoryCoverageStore } from '../test/memory-coverage-store.ts'
import { createRecordingBroker } from '../test/recording-broker.ts'

const run = () => null
const task = (name: string, condition?: Condition<Record<string, never>>) =>
  defineTask({ name, run, ...(condition !== undefined && { condition }) })
const blocks = range
/** For what takes seconds of computing. */
const LONG_WORK_MS = 60_000
fakeTimers()

describe('a system clock that jumps', () => {
  it.each([3_600_000, -3_600_000])('by %i ms skips nothing, doubles nothing and stalls nothing', async (jumpMs) => {
    let offset = 0
    const now = () => Date.now() + offset
    const looking = defineTask({ name: 'looking', backfill: { lookback: 3 }, run })
    let isBroken = true
    const flaky = task('flaky', () => {
      if (isBroken) throw new Error('not yet')
      return true
    })
    const { broker, chain, look } = await leading({ tasks: [task('a'), looking, flaky], now })
    for (let block = 0; block < 5; block += 1) {
      if (block === 2) offset = jumpMs
      chain.advance()
      await look()
      await vi.advanceTimersByTimeAsync(1_000)
    }
    isBroken = false
    await vi.advanceTimersByTimeAsync(8_000)
    expect(broker.blocks('a')).toEqual(blocks(100, 105))
    expect(broker.blocks('looking').sort((a, b) => a - b)).toEqual(blocks(97, 105))
    expect(broker.blocks('flaky')).toEqual(blocks(100, 105))
    const times = broker.messages.map(({ scheduledAt }) => Date.parse(scheduledAt) - Date.now())
    expect(times.some((ms) => Math.abs(ms - jumpMs) < 60_000)).toBe(true)
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

  it(
    'makes 10,000 tasks and one range of coverage of a million blocks with n % 100',
    async () => {
      const { broker, store } = await leading({
        tasks: [task('asked', ({ number }) => number % 100 === 0), task('stepped', everyNBlocks(100))],
        chain: createScriptedChain({ head: 999_999 }),
        start: 0,
      })
      for (const name of ['asked', 'stepped']) {
        await vi.waitFor(() => expect(store.of(name)?.evaluated).toEqual([{ from: 0, to: 999_999 }]), LONG_WORK_MS)
        expect(broker.blocks(name)).toHaveLength(10_000)
      }
    },
    LONG_WORK_MS,
  )

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
    const chain = createScriptedChain({ head: 100, finalityLag: 3 })
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

  it.each([
    ['whose messages', 'work'],
    ['whose announcement', 'events'],
  ] as const)('does not contain blocks %s the broker refused; they are published again', async (_, exchange) => {
    const { broker, chain, look, store } = await leading({ tasks: [task('a')] })
    broker.failNext(1, new RetryableError('BROKER_PUBLISH_FAILED', 'rejected'), broker.topology.exchanges[exchange])
    chain.advanceTo(102)
    await look()
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 100 }])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(store.of('a')?.evaluated).toEqual([{ from: 100, to: 102 }])
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

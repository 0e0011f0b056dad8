import { type Condition, defineTask } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { fakeTimers, lead, leading, range, settle } from '../test/leadership-harness.ts'
import { createMemoryCoverageStore } from '../test/memory-coverage-store.ts'
import { createRecordingBroker } from '../test/recording-broker.ts'

const run = () => null
const task = (name: string, condition?: Condition<Record<string, never>>) =>
  defineTask({ name, run, ...(condition !== undefined && { condition }) })
const blocks = range
fakeTimers()

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
    await vi.advanceTimersByTimeAsync(100)
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

  it('is asked for ten times a second while there is none, however many tasks are far behind', async () => {
    const broker = createRecordingBroker()
    broker.setDepth(10_000)
    const tasks = Array.from({ length: 50 }, (_, index) => task(`task-${index}`))
    await leading({ tasks, broker, chain: createScriptedChain({ head: 5_000 }), start: 1 })
    expect(broker.depthRequests).toBe(1)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(broker.depthRequests).toBeGreaterThanOrEqual(28)
    expect(broker.depthRequests).toBeLessThanOrEqual(31)
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

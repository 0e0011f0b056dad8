import { createSilentLogger, RetryableError, type TaskMessage, taskId } from '@blockmill/core'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { fakeTimers, range } from '../../test/leadership-harness.ts'
import { createRecordingBroker } from '../../test/recording-broker.ts'
import { OrphanReporter } from './orphan-reporter.ts'
import type { TaskToOrphan } from './orphan-store.ts'
import { createRecentTasks } from './recent-tasks.ts'

fakeTimers()

const GENERATION = 1_700_000_000_000
const idOf = (number: number) => taskId({ chain: 'dev', task: 'a', args: {}, block: { number, hash: `0x${number}` } })
const gone = (number: number) => ({ number, hash: `0x${number}`, generation: GENERATION })
const onRecord = (number: number, isLive = true): TaskToOrphan => ({
  id: idOf(number),
  task: 'a',
  block: number,
  hash: `0x${number}`,
  generation: GENERATION,
  isLive,
})
const message = (...numbers: number[]): TaskMessage => ({
  v: 1,
  chain: 'dev',
  task: 'a',
  queue: 'default',
  lane: 'normal',
  priority: 10,
  attempt: 1,
  postpones: 0,
  maxAttempts: 3,
  scheduledAt: '2026-01-01T00:00:00.000Z',
  cause: 'live',
  items: numbers.map((number) => ({ id: idOf(number), block: { number, hash: `0x${number}` }, args: {} })),
})

/** A reporter, and a record that holds what a test puts there. */
async function setUp(tasks: TaskToOrphan[] = [], remain = tasks.length > 0) {
  const broker = createRecordingBroker()
  const state = { tasks, remain, failures: 0, asked: 0 }
  const recent = createRecentTasks()
  const stopping = new AbortController()
  const orphaned: string[] = []
  const reporter = new OrphanReporter({
    chain: 'dev',
    broker,
    by: 'test',
    store: {
      async tasksToOrphan() {
        state.asked += 1
        if (state.failures > 0) {
          state.failures -= 1
          throw new RetryableError('DATABASE_UNREACHABLE', 'away')
        }
        return state.tasks
      },
      forget: async () => state.remain,
    },
    recent,
    names: () => ['a'],
    stopping: stopping.signal,
    abandoned: stopping.signal,
    logger: createSilentLogger(),
    metrics: { orphaned: (task) => orphaned.push(task) },
  })
  const over = reporter.run()
  onTestFinished(async () => {
    stopping.abort()
    await over
  })
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  await pass(0)
  return { broker, state, recent, reporter, orphaned, pass, reported: () => broker.events.map(({ block }) => block) }
}

describe('the reporter of orphaned tasks', () => {
  it('reports what is on record at its start, and calls off what is not done', async () => {
    const { broker, reported, orphaned } = await setUp([onRecord(1, false), onRecord(2)])
    expect(reported()).toEqual([1, 2])
    expect(broker.events[0]).toMatchObject({ type: 'orphaned', generation: GENERATION, attempt: 1, postpones: 0 })
    expect(broker.orders).toMatchObject([{ type: 'cancel', taskIds: [idOf(2)], sentAt: GENERATION, by: 'test' }])
    expect(orphaned).toEqual(['a', 'a'])
  })

  it('reports what it remembers at once, also while the record cannot be read', async () => {
    const { state, recent, reporter, reported, pass } = await setUp()
    recent.add([message(5), message(6)])
    state.failures = 3
    reporter.report([gone(5)])
    await pass(0)
    expect(reported()).toEqual([5])
  })

  it('asks the record again after pauses that grow to a minute, and reports each task once', async () => {
    const { state, reporter, reported, pass } = await setUp()
    state.remain = true
    reporter.report([gone(1)])
    await pass(0)
    const first = state.asked
    await pass(999)
    expect(state.asked).toBe(first)
    state.tasks = [onRecord(1)]
    await pass(1)
    expect(reported()).toEqual([1])
    state.tasks = [onRecord(1), onRecord(2)]
    await pass(2_000)
    expect(reported()).toEqual([1, 2])
    const asked = state.asked
    await pass(3_600_000)
    expect(state.asked - asked).toBeGreaterThan(55)
    expect(state.asked - asked).toBeLessThan(70)
    expect(reported()).toEqual([1, 2])
  })

  it('asks no more once no replaced block is on record', async () => {
    const { state, reporter, pass } = await setUp()
    const asked = state.asked
    await pass(3_600_000)
    expect(state.asked).toBe(asked)
    reporter.report([gone(1)])
    await pass(0)
    expect(state.asked).toBe(asked + 1)
  })

  it('goes on when the broker refuses something', async () => {
    const { broker, state, reporter, reported, pass } = await setUp()
    const { onPublish } = broker
    broker.onPublish = () => new RetryableError('BROKER_PUBLISH_FAILED', 'refused')
    state.tasks = [onRecord(1)]
    state.remain = true
    reporter.report([gone(1)])
    await pass(0)
    broker.onPublish = onPublish
    await pass(1_000)
    expect(reported()).toEqual([1])
  })

  it('puts at most 200 events into a message, and 1,000 tasks into a cancel', async () => {
    const { broker } = await setUp(range(1, 1_500).map((number) => onRecord(number)))
    expect(broker.events).toHaveLength(1_500)
    expect(broker.orders.map((order) => (order.type === 'cancel' ? order.taskIds.length : 0))).toEqual([1_000, 500])
    expect(broker.published.filter(({ routingKey }) => routingKey === 'event.orphaned')).toHaveLength(8)
  })
})

describe('the memory of recent tasks', () => {
  it('forgets those of the blocks that were scheduled first when it is full', () => {
    const recent = createRecentTasks(3)
    recent.add([message(1, 2), message(2), message(3)])
    expect(recent.of(new Set(['0x1']))).toEqual([])
    expect(recent.of(new Set(['0x2', '0x3']))).toMatchObject([{ block: 3 }, { block: 2 }, { block: 2 }])
    recent.add([message(4, 5, 6)])
    expect(recent.of(new Set(['0x3', '0x4']))).toEqual([{ id: idOf(4), task: 'a', block: 4, hash: '0x4' }])
  })
})

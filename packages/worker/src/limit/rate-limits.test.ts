import { defineTask, type RateLimitOptions, type TaskContext, type TaskMessage } from '@blockmill/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Worker } from '../index.ts'
import { item, message } from '../../test/messages.ts'
import { createWorkerRig, gate, type WorkerRig } from '../../test/worker-rig.ts'

const rigs: WorkerRig[] = []

async function setUp(rateLimit: RateLimitOptions, run: (name: string, number: number) => unknown, config = {}) {
  const handler =
    (name: string) =>
    ({ block }: TaskContext<Record<string, never>>) =>
      run(name, block.number)
  const rig = await createWorkerRig(
    [
      defineTask({ name: 'limited', rateLimit, run: handler('limited') }),
      defineTask({ name: 'free', run: handler('free') }),
    ],
    config,
  )
  rigs.push(rig)
  await rig.worker.start()
  return rig
}

beforeEach(() => void vi.useFakeTimers())
afterEach(async () => {
  vi.useRealTimers()
  for (const { worker, broker } of rigs.splice(0)) {
    await worker.stop()
    await broker.stop()
  }
})

/** Lets time pass, and everything happen that is due by then. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
/** Resolves when these workers hold nothing. */
async function drained(...workers: readonly Worker[]): Promise<void> {
  const idle = Promise.all(workers.map((worker) => worker.drain()))
  await pass(5_000)
  await idle
}
async function stopped(worker: Worker): Promise<void> {
  const stop = worker.stop()
  await pass(5_000)
  await stop
}
/** Messages of blocks that no other task of the test has, since these make the ids. */
const tasks = (
  task: string,
  count: number,
  { from = task === 'free' ? 100 : 0, ...changes }: Partial<TaskMessage> & { from?: number } = {},
) => Array.from({ length: count }, (_, number) => message({ task, items: [item(from + number)], ...changes }))

describe('a rate limit', () => {
  it('holds no slot while a task waits, and lets the others pass', async () => {
    const ran: string[] = []
    const { publish, worker } = await setUp({ limit: 1, per: '500ms' }, (name) => void ran.push(name), {
      concurrency: 1,
    })
    await publish(...tasks('limited', 3, { lane: 'high', priority: 0 }), ...tasks('free', 5))
    await pass(499)
    expect(ran).toEqual(['limited', ...Array.from({ length: 5 }, () => 'free')])
    await drained(worker)
    expect(ran.slice(6)).toEqual(['limited', 'limited'])
  })

  it('is kept by a worker that has more than it may start, and counted', async () => {
    const starts: number[] = []
    const { publish, worker, metrics } = await setUp(
      { limit: 3, per: '200ms' },
      () => void starts.push(performance.now()),
      { concurrency: 10 },
    )
    await publish(...tasks('limited', 12))
    await drained(worker)
    expect(starts).toHaveLength(12)
    for (const [index, start] of starts.entries())
      expect((starts[index + 3] ?? Infinity) - start).toBeGreaterThanOrEqual(200)
    const text = await metrics.getSingleMetricAsString('blockmill_rate_limited_total')
    expect(text).toMatch(/blockmill_rate_limited_total\{task="limited"\} [3-9]/)
  })

  it('counts each item of a chunk', async () => {
    const starts: number[] = []
    const { publish, worker, events } = await setUp(
      { limit: 2, per: '200ms' },
      () => void starts.push(performance.now()),
    )
    await publish(message({ task: 'limited', items: [1, 2, 3, 4, 5].map((number) => item(number)) }))
    await drained(worker)
    expect(events()).toHaveLength(5)
    expect((starts[4] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(400)
  })

  it('that is global counts the starts of all workers, and lets every task run', async () => {
    const starts: number[] = []
    const rateLimit = { limit: 2, per: '200ms', scope: 'global' } as const
    const { publish, worker, broker, join } = await setUp(rateLimit, () => void starts.push(performance.now()))
    const limited = defineTask({ name: 'limited', rateLimit, run: () => void starts.push(performance.now()) })
    const other = join([limited], { queues: ['other'] })
    await other.start()
    await publish(...tasks('limited', 4), ...tasks('limited', 4, { queue: 'other', from: 50 }))
    await drained(worker, other)
    await stopped(other)
    expect(starts).toHaveLength(8)
    for (const [index, start] of starts.entries())
      expect((starts[index + 2] ?? Infinity) - start).toBeGreaterThanOrEqual(200)
    // One message for each start, and none for a task without a limit.
    expect(broker.published.filter(({ exchange }) => exchange === '')).toHaveLength(8)
  })

  it('of a queue counts every task on it, and none of another queue', async () => {
    const starts: string[] = []
    const { publish, worker } = await setUp({ limit: 100, per: '1s' }, (name) => void starts.push(name), {
      queues: ['slow', 'fast'],
      rateLimits: { slow: { limit: 1, perMs: 500, scope: 'worker' } },
    })
    await publish(
      ...tasks('free', 1, { queue: 'slow' }),
      ...tasks('limited', 1, { queue: 'slow' }),
      ...tasks('free', 3, { queue: 'fast', from: 200 }),
    )
    await pass(499)
    expect(starts).toEqual(['free', 'free', 'free', 'free'])
    await drained(worker)
    expect(starts.slice(4)).toEqual(['limited'])
  })
})

describe('a task that would wait long', () => {
  it('goes back to the broker, with no attempt used and no event, and comes back', async () => {
    const ran: number[] = []
    const { publish, worker, broker, events } = await setUp(
      { limit: 1, per: '1100ms' },
      (_, number) => void ran.push(number),
      { smallestDelayMs: 50 },
    )
    const [first, second] = tasks('limited', 2)
    if (first === undefined || second === undefined) return
    await publish(first, second)
    const idle = worker.drain()
    await pass(100)
    await idle
    expect(broker.unsettled).toBe(0)
    const [delayed] = broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.delay)
    const body = JSON.parse(String(delayed?.body)) as { notBefore: string }
    expect(body).toEqual({ ...second, notBefore: body.notBefore })
    expect(events()).toHaveLength(1)

    await drained(worker)
    expect(ran).toEqual([0, 1])
    expect(events().map(({ type, attempt, postpones }) => [type, attempt, postpones])).toEqual([
      ['succeeded', 1, 0],
      ['succeeded', 1, 0],
    ])
  })

  it('is acked only when the broker has it again', async () => {
    const { publish, worker, broker } = await setUp({ limit: 1, per: '1h' }, () => undefined)
    const confirm = gate()
    broker.onPublish = ({ exchange }) => (exchange === broker.topology.exchanges.delay ? confirm.wait() : undefined)
    await publish(...tasks('limited', 2))
    await pass(100)
    expect(broker.unsettled).toBe(1)
    confirm.open()
    await drained(worker)
    expect(broker.unsettled).toBe(0)
  })

  it('leaves a chunk that runs already, which is acked when both parts are safe', async () => {
    const running = gate()
    const { publish, worker, broker, events } = await setUp({ limit: 2, per: '1h' }, () => running.wait())
    await publish(message({ task: 'limited', items: [1, 2, 3, 4, 5].map((number) => item(number)) }))
    const delayed = () => broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.delay)
    await pass(100)
    expect(delayed()).toHaveLength(1)
    expect(JSON.parse(String(delayed()[0]?.body))).toMatchObject({ items: [3, 4, 5].map((number) => item(number)) })
    expect(broker.unsettled).toBe(1)
    running.open()
    await drained(worker)
    expect(broker.unsettled).toBe(0)
    expect(events().map(({ block }) => block)).toEqual([1, 2])
  })

  it('is given back with everything else when the worker stops', async () => {
    const { publish, worker, broker } = await setUp({ limit: 1, per: '900ms' }, () => undefined)
    await publish(...tasks('limited', 2))
    await pass(100)
    expect(broker.unsettled).toBe(1)
    await stopped(worker)
    expect(broker.ready('blockmill.work.default.normal')).toHaveLength(1)
  })

  it('is delivered again, once, when the connection breaks while it waits', async () => {
    const ran: number[] = []
    const { publish, worker, broker } = await setUp({ limit: 1, per: '200ms' }, (_, number) => void ran.push(number))
    await publish(...tasks('limited', 3))
    broker.cut()
    broker.reconnect()
    await drained(worker)
    expect(broker.unsettled).toBe(0)
    expect(new Set(ran)).toEqual(new Set([0, 1, 2]))
    expect(ran.filter((number) => number > 0)).toHaveLength(2)
  })
})

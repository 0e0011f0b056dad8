import { DEAD_HEADERS, defineTask, Postpone, type TaskContext } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { item, message } from '../test/messages.ts'
import { createWorkerRig, gate, type WorkerRig } from '../test/worker-rig.ts'

type Handler = (context: TaskContext<Record<string, never>>) => unknown

const rigs: WorkerRig[] = []

async function setUp(handler: Handler, config = {}, options = {}): Promise<WorkerRig> {
  const rig = await createWorkerRig([defineTask({ name: 'noop', run: handler, ...options })], config)
  rigs.push(rig)
  await rig.worker.start()
  return rig
}

afterEach(async () => {
  vi.useRealTimers()
  for (const { worker, broker } of rigs.splice(0)) {
    await worker.stop()
    await broker.stop()
  }
})

const inTime = { timeoutMs: 2_000, intervalMs: 1 }

describe('settlement', () => {
  it('acks a task only when the broker has confirmed its event', async () => {
    const { broker, worker, publish, events } = await setUp(() => 'done')
    const confirm = gate()
    broker.onPublish = ({ exchange }) => (exchange === broker.topology.exchanges.events ? confirm.wait() : undefined)
    await publish(message())
    const drained = worker.drain()
    await waitFor(() => broker.publisher.pending > 0, { describe: 'the event to be on its way', ...inTime })
    expect(broker.unsettled).toBe(1)

    confirm.open()
    await drained
    expect(broker.unsettled).toBe(0)
    expect(events()).toMatchObject([{ type: 'succeeded', result: 'done' }])
  })

  it('acks a failed attempt only when the message that carries it on is confirmed as well', async () => {
    const { broker, worker, publish, events } = await setUp(() => {
      throw new Error('boom')
    })
    const confirm = gate()
    broker.onPublish = ({ exchange }) => (exchange === broker.topology.exchanges.delay ? confirm.wait() : undefined)
    await publish(message())
    const drained = worker.drain()
    await waitFor(() => events().length === 1, { describe: 'the event to be confirmed', ...inTime })
    expect(broker.unsettled).toBe(1)

    confirm.open()
    await drained
    expect(broker.unsettled).toBe(0)
  })
})

describe('retries', () => {
  it('go through delay queues back to the queue and lane that the task came from, with nothing left over from the way', async () => {
    const attempts: number[] = []
    const { broker, worker, publish, events } = await setUp(
      ({ attempt }) => {
        attempts.push(attempt)
        if (attempt < 3) throw new Error(`boom ${attempt}`)
      },
      { smallestDelayMs: 10, queues: ['slow'] },
      { retry: { backoff: { type: 'constant', pause: 10 } } },
    )
    await publish(message({ queue: 'slow', lane: 'low' }))
    await waitFor(() => events().at(-1)?.type === 'succeeded', { describe: 'success', ...inTime })
    await worker.drain()

    expect(attempts).toEqual([1, 2, 3])
    expect(events().map(({ type, attempt }) => [type, attempt])).toEqual([
      ['retrying', 1],
      ['retrying', 2],
      ['succeeded', 3],
    ])
    const delayed = broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.delay)
    expect(delayed.map(({ routingKey, headers, mandatory }) => ({ routingKey, headers, mandatory }))).toEqual(
      Array.from({ length: 2 }, () => ({ routingKey: 'd10.slow.low', headers: undefined, mandatory: true })),
    )
  })

  it('of a postponed task use no attempt, and really run it again', async () => {
    let runs = 0
    const { publish, events } = await setUp(
      () => {
        runs += 1
        if (runs <= 3) throw new Postpone(10)
      },
      { smallestDelayMs: 10 },
    )
    await publish(message())
    await waitFor(() => events().at(-1)?.type === 'succeeded', { describe: 'success', ...inTime })
    expect(events().map(({ type, attempt, postpones }) => [type, attempt, postpones])).toEqual([
      ['postponed', 1, 0],
      ['postponed', 1, 1],
      ['postponed', 1, 2],
      ['succeeded', 1, 3],
    ])
  })

  it('that arrive before their time go round again for the rest of it', async () => {
    const startedAt: number[] = []
    const { publish, broker, worker } = await setUp(() => void startedAt.push(Date.now()), { smallestDelayMs: 10 })
    const dueAt = Date.now() + 150
    await publish(message({ notBefore: new Date(dueAt).toISOString() }))
    await waitFor(() => startedAt.length === 1, { describe: 'the task to run', ...inTime })
    await worker.drain()
    expect(startedAt[0]).toBeGreaterThanOrEqual(dueAt)
    expect(broker.published.some(({ exchange }) => exchange === broker.topology.exchanges.delay)).toBe(true)
  })
})

describe('what cannot be tried', () => {
  it('goes to the dead queue as it came, with the reason, and the worker lives on', async () => {
    const { broker, publish, worker, events } = await setUp(() => undefined, { smallestDelayMs: 1 })
    const { topology } = broker
    const poison = { exchange: topology.exchanges.tasks, routingKey: 'task.default.normal', type: 'x' }
    await broker.publisher.publish({ ...poison, body: Buffer.from('{"v":1'), headers: { 'x-death': [] } })
    await publish(message({ task: 'gone' }), message())
    await waitFor(() => events().length === 1, { describe: 'the sound task to run', ...inTime })
    const dead = broker.ready(topology.deadQueue)
    await waitFor(() => dead.length === 2, { describe: 'two messages to be dead', ...inTime })
    await worker.drain()

    expect(dead.map(({ headers }) => headers?.[DEAD_HEADERS.reason])).toEqual(['invalid_message', 'unknown_task'])
    expect(dead[0]?.body.toString()).toBe('{"v":1')
    expect(dead[0]?.headers).toEqual({
      [DEAD_HEADERS.reason]: 'invalid_message',
      [DEAD_HEADERS.error]: expect.stringContaining('not safe JSON') as string,
      [DEAD_HEADERS.queue]: 'blockmill.work.default.normal',
      [DEAD_HEADERS.worker]: 'w1',
    })
    expect(broker.unsettled).toBe(0)
  })

  it('waits for a worker that knows its task', async () => {
    const { broker, publish, worker, join } = await setUp(() => undefined, { smallestDelayMs: 20 })
    await publish(message({ task: 'later' }))
    await waitFor(() => broker.published.length > 1, { describe: 'the message to wait', ...inTime })
    await worker.stop()
    const ran = gate()
    const deployed = join([defineTask({ name: 'later', run: ran.open })], { smallestDelayMs: 20 })
    await deployed.start()
    await ran.wait()
    await deployed.stop()
    expect(broker.ready(broker.topology.deadQueue)).toEqual([])
  })

  it('fails as expired when its time has passed', async () => {
    const run = vi.fn<Handler>()
    const { publish, events, worker } = await setUp(run)
    await publish(message({ expiresAt: '2026-01-01T00:00:01.000Z' }))
    await worker.drain()
    expect(run).not.toHaveBeenCalled()
    expect(events()).toMatchObject([{ type: 'failed', reason: 'expired', error: { code: 'TASK_EXPIRED' } }])
  })
})

describe('a chunk', () => {
  const chunk = message({ lane: 'low', items: [item(1), item(2), item(3)] })

  it('settles each item by itself and is acked with the last', async () => {
    const last = gate()
    const { broker, publish, events, worker } = await setUp(async ({ block, attempt }) => {
      if (block.number === 2 && attempt === 1) throw new Error('boom')
      if (block.number === 3) await last.wait()
      return block.number
    })
    await publish(chunk)
    await waitFor(() => events().length === 2, { describe: 'two items to be settled', ...inTime })
    expect(broker.unsettled).toBe(1)
    last.open()
    await worker.drain()

    expect(broker.unsettled).toBe(0)
    expect(events().map(({ type, block }) => [type, block])).toEqual([
      ['succeeded', 1],
      ['retrying', 2],
      ['succeeded', 3],
    ])
    const [delayed] = broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.delay)
    expect(JSON.parse(String(delayed?.body))).toMatchObject({ attempt: 2, items: [item(2)] })
  })

  it('whose worker stops in the middle finishes what runs and gives back the rest', async () => {
    const running = gate()
    const { broker, publish, worker, events } = await setUp(() => running.wait(), { concurrency: 1 })
    await publish(chunk)
    await waitFor(() => broker.unsettled === 1, { describe: 'the chunk to be taken', ...inTime })
    const stopped = worker.stop()
    running.open()
    await stopped

    expect(events()).toMatchObject([{ type: 'succeeded', block: 1 }])
    const left = broker.ready('blockmill.work.default.low').map(({ body }) => JSON.parse(String(body)) as unknown)
    expect(left).toEqual([{ ...chunk, items: [item(2), item(3)] }])
  })
})

describe('order', () => {
  it('lets a normal task start next, however many low ones wait', async () => {
    const order: number[] = []
    const first = gate()
    const { publish, worker } = await setUp(
      async ({ block }) => {
        order.push(block.number)
        if (block.number === 1) await first.wait()
      },
      { concurrency: 1 },
    )
    for (let block = 1; block <= 50; block += 1)
      await publish(message({ lane: 'low', priority: 20, items: [item(block)] }))
    await publish(message({ items: [item(1_000)] }), message({ lane: 'high', priority: 0, items: [item(2_000)] }))
    first.open()
    await waitFor(() => order.length === 52, { describe: 'all tasks to run', ...inTime })
    await worker.drain()
    expect(order.slice(0, 3)).toEqual([1, 2_000, 1_000])
  })

  it('never runs more handlers at once than its concurrency', async () => {
    let running = 0
    let most = 0
    const { publish, worker } = await setUp(async () => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
    })
    for (let block = 0; block < 40; block += 1) await publish(message({ items: [item(block), item(1_000 + block)] }))
    await worker.drain()
    expect(most).toBe(4)
  })

  it('leaves the queues alone that it was not given', async () => {
    const { broker, publish, worker, events } = await setUp(() => undefined, { queues: ['a'] })
    await broker.declare(broker.topology.work('b'))
    await publish(message({ queue: 'a' }), message({ queue: 'b' }))
    await worker.drain()
    expect(events()).toHaveLength(1)
    expect(broker.ready('blockmill.work.b.normal')).toHaveLength(1)
  })
})

describe('a broken connection', () => {
  it('does not run a task twice when it comes back to the worker that still runs it', async () => {
    const running = gate()
    const run = vi.fn<Handler>(() => running.wait())
    const { broker, publish, worker, events } = await setUp(run)
    await publish(message())
    broker.cut()
    broker.reconnect()
    await waitFor(() => broker.unsettled === 1, { describe: 'the redelivery', ...inTime })
    running.open()
    await worker.drain()
    expect(run).toHaveBeenCalledOnce()
    expect(events()).toHaveLength(1)
    expect([broker.unsettled, broker.ready('blockmill.work.default.normal').length]).toEqual([0, 0])
  })

  it('does not run a finished task again whose ack was lost', async () => {
    const run = vi.fn<Handler>()
    const { broker, publish, worker } = await setUp(run)
    broker.loseAcks()
    await publish(message())
    await worker.drain()
    expect(broker.unsettled).toBe(1)
    broker.cut()
    broker.reconnect()
    await waitFor(() => broker.unsettled === 0, { describe: 'the redelivery to be acked', ...inTime })
    expect(broker.ready('blockmill.work.default.normal')).toEqual([])
    expect(run).toHaveBeenCalledOnce()
  })

  it('records a success whose delivery is void, and leaves the message to others', async () => {
    const running = gate()
    const { broker, publish, events } = await setUp(() => running.wait())
    await publish(message())
    broker.cut()
    running.open()
    // Nothing is confirmed while the connection is down; the message waits in its queue for whoever comes first.
    expect(broker.ready('blockmill.work.default.normal')).toHaveLength(1)
    broker.reconnect()
    await waitFor(() => events().length > 0, { describe: 'the success to be recorded', ...inTime })
    expect(events()[0]).toMatchObject({ type: 'succeeded' })
  })

  it('does not carry a failed attempt on that the broker will deliver again', async () => {
    const running = gate()
    let runs = 0
    const { broker, publish, events, worker } = await setUp(async () => {
      runs += 1
      if (runs > 1) return
      await running.wait()
      throw new Error('boom')
    })
    await publish(message())
    broker.cut()
    running.open()
    await waitFor(() => runs === 1, { describe: 'the first run to end', ...inTime })
    await new Promise(setImmediate)
    broker.reconnect()
    await waitFor(() => events().length === 1, { describe: 'the redelivery to be run', ...inTime })
    await worker.drain()
    expect(events()).toMatchObject([{ type: 'succeeded', attempt: 1 }])
    expect(broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.delay)).toEqual([])
  })

  it('drops what waits in the buffer, so that it runs once, where and when it is delivered again', async () => {
    const first = gate()
    const runs: number[] = []
    const { broker, publish, worker } = await setUp(
      async ({ block }) => {
        runs.push(block.number)
        if (block.number === 1) await first.wait()
      },
      { concurrency: 1 },
    )
    await publish(message({ items: [item(1)] }), message({ items: [item(2)] }))
    broker.cut()
    first.open()
    await new Promise(setImmediate)
    expect(runs).toEqual([1])
    broker.reconnect()
    await waitFor(() => runs.length === 2, { describe: 'the redelivery', ...inTime })
    await worker.drain()
    expect(runs).toEqual([1, 2])
  })
})

it('runs a message that was published twice once, and acks both copies', async () => {
  const running = gate()
  const run = vi.fn<Handler>(() => running.wait())
  const { broker, publish, worker } = await setUp(run)
  await publish(message(), message())
  running.open()
  await worker.drain()
  expect(run).toHaveBeenCalledOnce()
  expect(broker.unsettled).toBe(0)
})

it('runs a deliberate re-run of a task even while the task runs', async () => {
  const running = gate()
  const run = vi.fn<Handler>(() => running.wait())
  const { publish, worker } = await setUp(run)
  await publish(message(), message({ generation: 1_767_225_600_000 }))
  running.open()
  await worker.drain()
  expect(run).toHaveBeenCalledTimes(2)
})

it('gives back what waits five minutes for a slot, since the broker counts that to the time for an ack', async () => {
  vi.useFakeTimers()
  const running = gate()
  const { broker, publish, worker } = await setUp(() => running.wait(), { concurrency: 1 })
  const queue = 'blockmill.work.default.normal'
  await publish(message({ items: [item(1)] }), message({ items: [item(2)] }))
  const requeued = () => broker.published.filter(({ exchange }) => exchange === broker.topology.exchanges.redeliver)
  await vi.advanceTimersByTimeAsync(4 * 60_000)
  expect(requeued()).toHaveLength(0)
  await vi.advanceTimersByTimeAsync(6 * 60_000)
  // The first time it goes back as it is, the second time as a new message, so that its count does not grow.
  expect(requeued()).toHaveLength(1)
  expect([broker.unsettled, broker.ready(queue).length]).toEqual([2, 0])
  running.open()
  const stopped = worker.stop()
  await vi.advanceTimersByTimeAsync(5_000)
  await stopped
})

describe('stopping', () => {
  it('gives back what was not started, finishes what runs, and says farewell', async () => {
    const running = gate()
    const { broker, publish, worker, events, heartbeats } = await setUp(() => running.wait(), {
      concurrency: 2,
      prefetch: 10,
    })
    for (let block = 0; block < 6; block += 1) await publish(message({ items: [item(block)] }))
    const stopped = worker.stop()
    running.open()
    await stopped

    expect(events()).toHaveLength(2)
    expect(broker.ready('blockmill.work.default.normal')).toHaveLength(4)
    expect(broker.unsettled).toBe(0)
    expect(heartbeats().at(-1)).toMatchObject({ stopping: true, running: [] })
    expect(worker.notReadyBecause()).toEqual(['the worker does not consume'])
  })

  it('does not bring what waits nearer to the delivery limit, however often workers are replaced', async () => {
    const { broker, worker, publish, join } = await setUp(() => undefined, { concurrency: 1 })
    await worker.stop()
    for (let block = 0; block < 6; block += 1) await publish(message({ items: [item(block)] }))
    const counts: number[] = []
    for (let replaced = 0; replaced < 25; replaced += 1) {
      const running = gate()
      const next = join([defineTask({ name: 'noop', run: () => running.wait() })], { concurrency: 1, graceMs: 1 })
      await next.start()
      const stopped = next.stop()
      await stopped
      running.open()
      const waiting = broker.ready('blockmill.work.default.normal')
      expect(waiting).toHaveLength(6)
      counts.push(
        ...waiting
          .map(({ deliveryCount }) => deliveryCount)
          .sort((a, b) => a - b)
          .slice(0, 5),
      )
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(1)
  })

  it('aborts what still runs at the end of the grace and leaves it unacked, whatever it does then', async () => {
    let aborted: unknown
    const ended = gate()
    const { broker, publish, worker, events } = await setUp(
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            aborted = signal.reason
            resolve('too late')
            setImmediate(ended.open)
          })
        }),
      { graceMs: 20 },
    )
    await publish(message())
    const farewell = gate()
    broker.onPublish = ({ routingKey }) => (routingKey === 'event.heartbeat' ? farewell.wait() : undefined)
    const stopped = worker.stop()
    await ended.wait()
    await new Promise(setImmediate)
    farewell.open()
    await stopped

    expect(aborted).toMatchObject({ code: 'WORKER_STOPPING' })
    expect(events()).toEqual([])
    expect(broker.ready('blockmill.work.default.normal')).toMatchObject([{ deliveryCount: 1 }])
  })

  it('does not wait for a broker that is away longer than the grace and the farewell', async () => {
    vi.useFakeTimers()
    const { broker, publish, worker } = await setUp(() => undefined, { graceMs: 1_000 })
    await publish(message())
    broker.cut()
    const stopped = worker.stop()
    await vi.advanceTimersByTimeAsync(3_000)
    await stopped
    broker.reconnect()
  })

  it('and starting may come in any order and any number of times', async () => {
    const { worker } = await setUp(() => undefined)
    await Promise.all([worker.start(), worker.start()])
    expect(worker.notReadyBecause()).toEqual([])
    await Promise.all([worker.stop(), worker.stop()])
    await worker.start()
    expect(worker.notReadyBecause()).toEqual(['the worker does not consume'])

    const { worker: never, broker } = await createWorkerRig([])
    await never.stop()
    await never.start()
    expect(await broker.depth('blockmill.work.default.normal')).toBeUndefined()
  })

  it('while starting leaves nothing consumed', async () => {
    const { worker, broker } = await createWorkerRig([])
    broker.cut()
    const started = worker.start()
    await worker.stop()
    broker.reconnect()
    await started
    expect((await broker.depth('blockmill.work.default.normal'))?.consumers ?? 0).toBe(0)
  })
})

it('sends a heartbeat at once and at each interval, with what it runs', async () => {
  const running = gate()
  const { publish, heartbeats } = await setUp(() => running.wait(), { heartbeatMs: 10, queues: ['default'] })
  await publish(message({ attempt: 2, postpones: 1, generation: 5 }))
  await waitFor(() => heartbeats().some((beat) => beat.running.length > 0), { describe: 'a heartbeat', ...inTime })
  expect(heartbeats()[0]).toMatchObject({
    worker: 'w1',
    queues: ['default'],
    concurrency: 4,
    stopping: false,
    running: [],
  })
  expect(heartbeats().at(-1)?.running).toMatchObject([
    { taskId: item(1).id, chain: 'dev', task: 'noop', block: 1, attempt: 2, postpones: 1, generation: 5 },
  ])
  running.open()
})

it('frees the slot of a handler that is stuck, and counts it', async () => {
  const { publish, events, metrics } = await setUp(
    ({ block }) => (block.number === 1 ? new Promise(() => undefined) : undefined),
    { concurrency: 1, stuckGraceMs: 10 },
    { timeout: 10, retry: { maxAttempts: 1 } },
  )
  await publish(message({ maxAttempts: 1, items: [item(1)] }), message({ items: [item(2)] }))
  await waitFor(() => events().length === 2, { describe: 'both tasks to end', ...inTime })
  expect(events()).toMatchObject([
    { type: 'failed', block: 1, error: { code: 'TASK_STUCK' } },
    { type: 'succeeded', block: 2 },
  ])
  expect(await metrics.getSingleMetricAsString('blockmill_worker_stuck_total')).toContain(
    'blockmill_worker_stuck_total 1',
  )
})

it('counts what it does by task and queue', async () => {
  const { publish, worker, metrics } = await setUp(({ block }) => {
    if (block.number === 2) throw new Error('boom')
  })
  await publish(message({ items: [item(1)] }), message({ items: [item(2)] }))
  await worker.drain()
  const text = await metrics.metrics()
  const labels = '{task="noop",queue="default"}'
  expect(text).toContain(`blockmill_tasks_started_total${labels} 2`)
  expect(text).toContain(`blockmill_tasks_succeeded_total${labels} 1`)
  expect(text).toContain(`blockmill_tasks_retried_total${labels} 1`)
  expect(text).toContain(`blockmill_task_duration_seconds_count${labels} 2`)
  expect(text).toContain(`blockmill_task_queue_wait_seconds_count${labels} 2`)
  expect(text).toContain('blockmill_worker_slots_limit 4')
  expect(text).toContain('blockmill_worker_slots_used 0')
  expect(text).toContain('blockmill_worker_buffered_messages 0')
})

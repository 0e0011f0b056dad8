import { DEAD_HEADERS, defineTask, Postpone } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'
import { item, message } from '../test/messages.ts'
import { gate, type Handler, useWorkerRigs } from '../test/worker-rig.ts'

const setUp = useWorkerRigs()
const inTime = { timeoutMs: 15_000, intervalMs: 1 }

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
    // Once for each failure; and once more for a message that a timer delivers a part of a millisecond too early.
    expect(delayed.length).toBeGreaterThanOrEqual(2)
    expect(delayed.map(({ routingKey, headers, mandatory }) => ({ routingKey, headers, mandatory }))).toEqual(
      delayed.map(() => ({ routingKey: 'd10.slow.low', headers: undefined, mandatory: true })),
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
    vi.useFakeTimers()
    const startedAt: number[] = []
    const { publish, broker } = await setUp(() => void startedAt.push(Date.now()), { smallestDelayMs: 10 })
    const dueAt = Date.now() + 150
    await publish(message({ notBefore: new Date(dueAt).toISOString() }))
    await vi.advanceTimersByTimeAsync(149)
    expect(startedAt).toEqual([])
    await vi.advanceTimersByTimeAsync(100)
    expect(startedAt).toHaveLength(1)
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

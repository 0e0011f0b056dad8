import { waitFor } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'
import { item, message } from '../test/messages.ts'
import { gate, type Handler, useWorkerRigs } from '../test/worker-rig.ts'

const setUp = useWorkerRigs()
const inTime = { timeoutMs: 15_000, intervalMs: 1 }

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

import { defineTask } from '@blockmill/core'
import { describe, expect, it, vi } from 'vitest'
import { item, message } from '../test/messages.ts'
import { createWorkerRig, gate, useWorkerRigs } from '../test/worker-rig.ts'

const setUp = useWorkerRigs()

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

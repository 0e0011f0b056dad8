import { CONTROL_MESSAGE_TYPE, controlMessage, controlMessageCodec, defineTask, publishControl } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'

import { item, message } from '../../test/messages.ts'
import { createWorkerRig, gate } from '../../test/worker-rig.ts'

const noop = defineTask({ name: 'noop', run: () => undefined })

async function setUp(run = (): unknown => undefined) {
  const rig = await createWorkerRig([defineTask({ name: 'noop', run })], { concurrency: 1 })
  onTestFinished(() => rig.worker.stop())
  const order = (given: Parameters<typeof controlMessage>[0], nowMs = Date.now()) =>
    publishControl(rig.broker, controlMessage(given, { by: 'ada', nowMs }))
  const questions = () =>
    rig.broker.published.filter(
      ({ type, body }) => type === CONTROL_MESSAGE_TYPE && controlMessageCodec.decode(body).type === 'sync',
    )
  await rig.worker.start()
  return { ...rig, order, questions }
}

describe('a worker under control', () => {
  it('asks for what it may have missed at the start and after each broken connection', async () => {
    const { broker, questions } = await setUp()
    await waitFor(() => questions().length === 1, { describe: 'the first question' })
    broker.cut()
    broker.reconnect()
    await waitFor(() => questions().length === 2, { describe: 'the second question' })
  })

  it('starts again in order what it held when a pause ends before it was carried out', async () => {
    const { wait, open } = gate()
    const { order, publish, worker, events, broker } = await setUp(wait)
    await publish(message(), message({ items: [item(2)] }), message({ items: [item(3)] }))
    await waitFor(() => broker.unsettled === 2, { describe: 'what the prefetch allows' })
    await Promise.all([
      order({ type: 'pause', queue: 'default' }, 1_000),
      order({ type: 'resume', queue: 'default' }, 2_000),
    ])
    open()
    await waitFor(() => events().length === 3, { describe: 'all tasks' })
    await worker.drain()
    expect(events().map(({ block }) => block)).toEqual([1, 2, 3])
  })

  it('drops what it held of a paused queue when the connection breaks, and nothing is lost', async () => {
    const { wait, open } = gate()
    const { order, publish, worker, events, broker } = await setUp(wait)
    await publish(message(), message({ items: [item(2)] }))
    await waitFor(() => broker.unsettled === 2, { describe: 'both deliveries' })
    await order({ type: 'pause', queue: 'default' }, 1_000)
    broker.cut()
    broker.reconnect()
    open()
    await worker.drain()
    await order({ type: 'resume', queue: 'default' }, 2_000)
    await waitFor(() => new Set(events().map(({ block }) => block)).size === 2, { describe: 'both tasks' })
    await worker.drain()
    expect(broker.unsettled).toBe(0)
  })

  it('gives back what it holds of a paused queue when it stops', async () => {
    const { wait, open } = gate()
    const { order, publish, worker, events, broker } = await setUp(wait)
    await publish(message(), message({ items: [item(2)] }))
    await waitFor(() => broker.unsettled === 2, { describe: 'both deliveries' })
    await order({ type: 'pause', queue: 'default' })
    const stopped = worker.stop()
    open()
    await stopped
    expect(events().map(({ block }) => block)).toEqual([1])
    expect(broker.ready('blockmill.work.default.normal')).toHaveLength(1)
    expect(broker.unsettled).toBe(0)
  })

  it('does not start when it was stopped while it waited for a monitor', async () => {
    const { broker, join } = await createWorkerRig([noop])
    const worker = join([noop], { syncWaitMs: 60_000 })
    const starting = worker.start()
    await waitFor(() => broker.published.some(({ type }) => type === CONTROL_MESSAGE_TYPE), {
      describe: 'its question',
    })
    await worker.stop()
    await starting
    expect(await broker.depth('blockmill.work.default.normal')).toBeUndefined()
  })

  it('stops when it is asked by its own name', async () => {
    const { worker, order, broker } = await setUp()
    await order({ type: 'shutdown', worker: 'w2' })
    expect(worker.notReadyBecause()).toEqual([])
    await order({ type: 'shutdown', worker: 'w1' })
    await waitFor(async () => (await broker.depth('blockmill.work.default.normal'))?.consumers === 0, {
      describe: 'it consumes no more',
    })
    await worker.stop()
  })
})

import {
  CONTROL_MESSAGE_TYPE,
  type Control,
  controlMessage,
  type ControlReply,
  createControl,
  createSilentLogger,
  defineTask,
  discoverTasks,
  type LaneState,
  LANES,
  listenToControl,
  publishControl,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { TASKS } from './isolation-rig.ts'
import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'
import { gate } from './worker-rig.ts'

const shared = testBroker()
const rig = liveRig(shared)
const { broker, events, publish, startWorker } = rig
const logger = createSilentLogger()

let control: Control
/** Waits as long as it takes, where there is one answer. */
let patient: Control
beforeAll(() => {
  control = createControl({ broker: broker(), logger, by: 'test', waitMs: 300 })
  patient = createControl({ broker: broker(), logger, by: 'test', waitMs: 30_000 })
})
afterAll(async () => {
  await control.close()
  await patient.close()
})

const outcomes = (task: string) => events(task).map(({ type, block }) => [type, block])
const names = (replies: readonly ControlReply[]) => replies.map(({ from }) => from).sort()

async function waiting(queue: string): Promise<number> {
  const { topology } = broker()
  const depths = await Promise.all(LANES.map((lane) => broker().depth(topology.workQueue(queue, lane))))
  return depths.reduce((sum, depth) => sum + (depth?.messages ?? 0), 0)
}

/** Answers workers that ask, as a monitor does. */
async function answerSyncs(lanes: readonly LaneState[], cancelled: readonly string[] = []): Promise<void> {
  const listener = await listenToControl(broker(), {
    logger,
    onMessage({ type }) {
      if (type !== 'sync') return
      const state = {
        type: 'state' as const,
        lanes: [...lanes],
        cancelled: cancelled.map((taskId) => ({ taskId, cancelledAt: Date.now() })),
      }
      void publishControl(broker(), controlMessage(state, { by: 'monitor', nowMs: Date.now() }))
    },
  })
  onTestFinished(() => listener.close())
}

describe('a cancelled task', () => {
  it('that waits ends as cancelled without being run', async () => {
    const { wait, open } = gate()
    const runs: number[] = []
    const task = defineTask({
      name: 'cancel-waiting',
      async run({ block }) {
        runs.push(block.number)
        await wait()
      },
    })
    await startWorker('cancel-waiting', [task], { config: { concurrency: 1 } })
    await publish('cancel-waiting', { items: [item(1)] })
    await waitFor(() => runs.length === 1, { describe: 'the first task to run' })
    await publish('cancel-waiting', { items: [item(2)] }, { items: [item(3), item(4)] })
    await expect
      .poll(() => control.cancel([item(2).id, item(4).id.toUpperCase()]))
      .toMatchObject([{ type: 'worker', running: 0 }])
    open()
    await waitFor(() => outcomes('cancel-waiting').length === 4, { describe: 'four outcomes' })
    expect(outcomes('cancel-waiting').sort((a, b) => Number(a[1]) - Number(b[1]))).toEqual([
      ['succeeded', 1],
      ['cancelled', 2],
      ['succeeded', 3],
      ['cancelled', 4],
    ])
    expect(runs).toEqual([1, 3])
    await waitFor(async () => (await waiting('cancel-waiting')) === 0, { describe: 'an empty queue' })
  })

  it('that runs has its signal aborted, and is not retried whatever it throws then', async () => {
    const running = Promise.withResolvers<void>()
    let reason: unknown
    const task = defineTask({
      name: 'cancel-running',
      run: ({ signal }) =>
        new Promise((_resolve, reject) => {
          running.resolve()
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(new TypeError('connection closed'))
          })
        }),
    })
    const worker = await startWorker('cancel-running', [task])
    await publish('cancel-running', {})
    await running.promise
    // It runs only once: an answer that comes late is not given again.
    const asking = createControl({ broker: broker(), logger, by: 'test', waitMs: 3_000 })
    expect(await asking.cancel([item(1).id])).toMatchObject([{ type: 'worker', running: 1 }])
    await asking.close()
    await worker.drain()
    await waitFor(() => events('cancel-running').length === 1, { describe: 'its outcome' })
    expect(events('cancel-running')).toMatchObject([{ type: 'cancelled', reason: 'cancelled on request', attempt: 1 }])
    expect(reason).toMatchObject({ name: 'Cancel' })
  })

  it('that runs and ignores its signal is given up after the grace', async () => {
    const { wait, open } = gate()
    const running = Promise.withResolvers<void>()
    const task = defineTask({
      name: 'cancel-stuck',
      run() {
        running.resolve()
        return wait()
      },
    })
    onTestFinished(() => open())
    const worker = await startWorker('cancel-stuck', [task], { config: { stuckGraceMs: 50 } })
    await publish('cancel-stuck', {})
    await running.promise
    await control.cancel([item(1).id])
    await waitFor(() => events('cancel-stuck').length === 1, { describe: 'its outcome' })
    expect(outcomes('cancel-stuck')).toEqual([['cancelled', 1]])
    await worker.drain()
  })

  it.each(['thread', 'process'])('that blocks its %s is ended by force', async (kind) => {
    const definitions = (await discoverTasks([TASKS])).list().map(({ definition }) => definition)
    const config = { stuckGraceMs: 100 }
    await startWorker(`cancel-${kind}`, definitions, { config, isolation: { taskPackages: [TASKS] } })
    const id = item(kind === 'thread' ? 101 : 102).id
    await publish(`cancel-${kind}`, { task: kind, items: [{ ...item(1, { does: 'blockLoop' }), id }] })
    await waitFor(() => events(kind).some(({ type }) => type === 'progress'), { describe: 'the handler to block' })
    await control.cancel([id])
    const ends = () => events(kind).filter(({ type }) => type !== 'progress')
    await waitFor(() => ends().length > 0, { describe: 'its outcome' })
    expect(ends()).toMatchObject([{ type: 'cancelled', taskId: id }])
  })

  it('that waits in a delay queue is not run again', async () => {
    let runs = 0
    const task = defineTask({
      name: 'cancel-delayed',
      // Longer than it takes to call the task off, on a busy machine too.
      retry: { backoff: { type: 'constant', pause: '4s' } },
      run() {
        runs += 1
        throw new Error('boom')
      },
    })
    await startWorker('cancel-delayed', [task])
    await publish('cancel-delayed', {})
    await waitFor(() => events('cancel-delayed').length === 1, { describe: 'the first attempt to fail' })
    await control.cancel([item(1).id])
    await waitFor(() => events('cancel-delayed').length === 2, { describe: 'the delay to end' })
    expect(events('cancel-delayed').map(({ type, attempt }) => [type, attempt])).toEqual([
      ['retrying', 1],
      ['cancelled', 2],
    ])
    expect(runs).toBe(1)
  })

  it('runs when it is replayed after the cancel', async () => {
    const task = defineTask({ name: 'cancel-replayed', run: () => 'done' })
    await startWorker('cancel-replayed', [task])
    await expect.poll(() => control.cancel([item(1).id])).toMatchObject([{ type: 'worker' }])
    await publish('cancel-replayed', {}, { generation: Date.now() + 1_000 })
    await waitFor(() => events('cancel-replayed').length === 2, { describe: 'both outcomes' })
    expect(new Set(events('cancel-replayed').map(({ type }) => type))).toEqual(new Set(['cancelled', 'succeeded']))
  })

  it('is known to a worker that started after the cancel', async () => {
    let runs = 0
    const task = defineTask({ name: 'cancel-earlier', run: () => void (runs += 1) })
    await publish('cancel-earlier', {})
    await answerSyncs([], [item(1).id])
    await startWorker('cancel-earlier', [task], { config: { syncWaitMs: 60_000 } })
    await waitFor(() => events('cancel-earlier').length === 1, { describe: 'its outcome' })
    expect([outcomes('cancel-earlier'), runs]).toEqual([[['cancelled', 1]], 0])
  })

  it('must have an id', async () => {
    await expect(control.cancel(['note-block at 7'])).rejects.toMatchObject({ code: 'CONTROL_INVALID' })
  })
})

describe('a paused queue', () => {
  it('starts nothing, lets run what runs, and shows on the broker what waits', async () => {
    const { wait, open } = gate()
    const runs: number[] = []
    const task = defineTask({
      name: 'paused',
      async run({ block }) {
        runs.push(block.number)
        if (block.number === 1) await wait()
      },
    })
    await startWorker('paused', [task], { config: { concurrency: 1 } })
    await publish('paused', { items: [item(1)] })
    await waitFor(() => runs.length === 1, { describe: 'the first task to run' })
    await publish('paused', { items: [item(2)] }, { items: [item(3)], lane: 'low', priority: 20 })
    await waitFor(async () => (await waiting('paused')) === 0, { describe: 'all to be in the worker' })
    await expect.poll(async () => names(await control.pauseQueue('paused'))).toEqual(['worker-of-paused'])
    await publish('paused', { items: [item(4)] })
    await waitFor(async () => (await waiting('paused')) === 3, { describe: 'three tasks to wait on the broker' })
    open()
    await waitFor(() => outcomes('paused').length === 1, { describe: 'the running task to end' })
    // A slot is free and the worker is alive: nothing else than the pause keeps the rest.
    await control.ping()
    expect(runs).toEqual([1])

    await control.resumeQueue('paused', 'low')
    await waitFor(() => runs.length === 2, { describe: 'the resumed lane' })
    await control.ping()
    expect(runs).toEqual([1, 3])
    await control.resumeQueue('paused')
    await waitFor(() => outcomes('paused').length === 4, { describe: 'the rest' })
    expect(runs.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
  })

  it('gives back the part of a chunk that was not started', async () => {
    const { wait, open } = gate()
    const runs: number[] = []
    const task = defineTask({
      name: 'paused-chunk',
      async run({ block }) {
        runs.push(block.number)
        await wait()
      },
    })
    await startWorker('paused-chunk', [task], { config: { concurrency: 1 } })
    await publish('paused-chunk', { items: [item(1), item(2), item(3)] })
    await waitFor(() => runs.length === 1, { describe: 'the first task of the chunk to run' })
    await control.pauseQueue('paused-chunk')
    open()
    await waitFor(async () => (await waiting('paused-chunk')) === 1, { describe: 'the rest to be back as one message' })
    await control.resumeQueue('paused-chunk')
    await waitFor(() => outcomes('paused-chunk').length === 3, { describe: 'all outcomes' })
    expect(runs).toEqual([1, 2, 3])
  })

  it('is not consumed by a worker that starts during the pause, until it is resumed', async () => {
    const runs: number[] = []
    const task = defineTask({ name: 'paused-before', run: ({ block }) => void runs.push(block.number) })
    await publish('paused-before', { items: [item(1)] }, { items: [item(2)], lane: 'high', priority: 1 })
    const changedAt = Date.now()
    const lane = { queue: 'paused-before', lane: 'normal', paused: true, changedAt, changedBy: 'test' } as const
    await answerSyncs([lane])
    await startWorker('paused-before', [task], { config: { syncWaitMs: 60_000 } })
    await waitFor(() => runs.length === 1, { describe: 'the lane that is not paused' })
    await expect
      .poll(() => control.stats())
      .toMatchObject([{ type: 'worker-stats', from: 'worker-of-paused-before', paused: [lane] }])
    expect(runs).toEqual([2])
    await control.resumeQueue('paused-before')
    await waitFor(() => runs.length === 2, { describe: 'the resumed lane' })
  })

  it('stays resumed when an older state arrives after that', async () => {
    const runs: number[] = []
    const task = defineTask({ name: 'resumed', run: ({ block }) => void runs.push(block.number) })
    await startWorker('resumed', [task])
    const changedAt = Date.now() - 1_000
    await control.resumeQueue('resumed')
    const lanes = LANES.map((lane) => ({ queue: 'resumed', lane, paused: true, changedAt, changedBy: 'test' }))
    const late = controlMessage({ type: 'state', lanes, cancelled: [] }, { by: 'monitor', nowMs: Date.now() })
    await publishControl(broker(), late)
    await publish('resumed', {})
    await waitFor(() => runs.length === 1, { describe: 'the task' })
  })

  it('must have a name that a queue can have', async () => {
    await expect(control.pauseQueue('a.b')).rejects.toMatchObject({ code: 'TASK_DEFINITION_INVALID' })
  })
})

it('a worker consumes without a monitor, after a short wait', async () => {
  const task = defineTask({ name: 'alone', run: () => 'done' })
  const began = performance.now()
  await startWorker('alone', [task], { config: { syncWaitMs: 200 } })
  const waitedMs = performance.now() - began
  expect(waitedMs).toBeGreaterThanOrEqual(190)
  await publish('alone', {})
  await waitFor(() => outcomes('alone').length === 1, { describe: 'the task' })
})

describe('several workers', () => {
  const idle = (name: string) =>
    defineTask({ name, run: () => new Promise<void>((resolve) => setTimeout(resolve, 10)) })

  it('all answer a ping, and say what they are doing', async () => {
    const { wait, open } = gate()
    const busy = defineTask({ name: 'busy', run: () => wait() })
    await startWorker('busy', [busy], { config: { name: 'w1', concurrency: 3 } })
    await startWorker('quiet', [idle('quiet')], { config: { name: 'w2' } })
    await publish('busy', { items: [item(7)] })
    await expect.poll(async () => names(await control.ping())).toEqual(['w1', 'w2'])
    const [first, second] = await waitFor(
      async () => {
        const replies = (await control.stats()).toSorted((a, b) => a.from.localeCompare(b.from))
        return replies.some((one) => 'concurrency' in one && one.running.length === 1) && replies
      },
      { describe: 'the running task to show' },
    )
    expect(first).toMatchObject({
      type: 'worker-stats',
      from: 'w1',
      pid: process.pid,
      queues: ['busy'],
      concurrency: 3,
      buffered: 0,
      running: [{ taskId: item(7).id, task: 'busy', block: 7, attempt: 1 }],
    })
    expect(second).toMatchObject({ from: 'w2', queues: ['quiet'], running: [] })
    open()
  })

  it('stop one by one when asked by name, and finish what they run', async () => {
    const { wait, open } = gate()
    const task = defineTask({ name: 'asked', run: () => wait() })
    const worker = await startWorker('asked', [task], { config: { name: 'w1' } })
    await startWorker('other', [idle('other')], { config: { name: 'w2' } })
    await publish('asked', {})
    await waitFor(async () => (await control.stats()).some((one) => 'host' in one && one.running.length === 1), {
      describe: 'the task to run',
    })
    expect(names(await patient.shutdown('w1'))).toEqual(['w1'])
    expect(await control.shutdown('nobody')).toEqual([])
    open()
    await worker.stop()
    await expect.poll(() => outcomes('asked')).toEqual([['succeeded', 1]])
    await expect.poll(async () => names(await control.ping())).toEqual(['w2'])
  })

  it('go on after messages that are none', async () => {
    await startWorker('unmoved', [idle('unmoved')], { config: { name: 'w1' } })
    const send = (body: string) =>
      broker().publisher.publish({
        exchange: broker().topology.exchanges.control,
        routingKey: '',
        body: Buffer.from(body),
        type: CONTROL_MESSAGE_TYPE,
      })
    const ping = controlMessage({ type: 'ping' }, { by: 'test', nowMs: 0 })
    const bad = [
      '',
      '{',
      '[]',
      '{"__proto__":{}}',
      JSON.stringify({ ...ping, v: 2 }),
      JSON.stringify({ ...ping, type: 'explode' }),
      JSON.stringify({ ...ping, type: 'cancel', taskIds: ['nothing'] }),
      JSON.stringify({ ...ping, type: 'pause', queue: 'a.b' }),
      `"${'x'.repeat(2_000_000)}"`,
    ]
    await Promise.all(bad.map(send))
    await expect.poll(async () => names(await control.ping())).toEqual(['w1'])
  })
})

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import {
  type Broker,
  DEAD_HEADERS,
  defineTask,
  type Delivery,
  type Lane,
  Postpone,
  taskMessageCodec,
} from '@blockmill/core'
import { startTcpProxy, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { describe, expect, it, onTestFinished } from 'vitest'

import { liveRig } from './live-rig.ts'
import { item } from './messages.ts'

const shared = testBroker()
const { broker, events, heartbeats, publish, startWorker } = liveRig(shared)

async function depths(queue: string): Promise<number[]> {
  const { topology } = broker()
  const lanes = ['high', 'normal', 'low'] as const
  return Promise.all(lanes.map(async (lane) => (await broker().depth(topology.workQueue(queue, lane)))?.messages ?? -1))
}

/** Blocks that succeeded, each as often as the broker was told. */
function succeeded(task: string): number[] {
  return events(task)
    .filter(({ type }) => type === 'succeeded')
    .map(({ block = -1 }) => block)
    .sort((a, b) => a - b)
}

function blocks(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

/** Keeps how long a worker lets the broker delay each attempt, in the steps in which it does. */
const watchDelays = (stepsOf: Map<number, number[]>) => (client: Broker) => {
  const { publisher } = client
  const send = publisher.publish.bind(publisher)
  publisher.publish = (outgoing) => {
    const [, stepMs] = /^d(\d+)\./.exec(outgoing.routingKey) ?? []
    if (stepMs !== undefined) {
      const { attempt } = taskMessageCodec.decode(outgoing.body)
      stepsOf.set(attempt, [...(stepsOf.get(attempt) ?? []), Number(stepMs)])
    }
    return send(outgoing)
  }
}
const total = (steps: readonly number[] = []): number => steps.reduce((sum, step) => sum + step, 0)

describe('a delay', () => {
  it('between attempts is waited for in the broker: never shorter than the policy says, and exact to a step', async () => {
    const runs: number[] = []
    const task = defineTask({
      name: 'retried',
      retry: { backoff: { type: 'constant', pause: 230 } },
      run() {
        runs.push(Date.now())
        if (runs.length < 3) throw new Error('boom')
        return 'done'
      },
    })
    const stepsOf = new Map<number, number[]>()
    await startWorker('retried', [task], { onBroker: watchDelays(stepsOf) })
    await publish('retried', {})
    await waitFor(() => succeeded('retried').length === 1, { describe: 'success' })

    expect(events('retried').map(({ type, attempt }) => [type, attempt])).toEqual([
      ['retrying', 1],
      ['retrying', 2],
      ['succeeded', 3],
    ])
    expect([...stepsOf.keys()]).toEqual([2, 3])
    for (const steps of stepsOf.values()) expect(total(steps), 'one step late at most').toBeLessThanOrEqual(230 + 50)
    for (const [index, at] of runs.slice(1).entries()) expect(at - (runs[index] ?? 0)).toBeGreaterThanOrEqual(230)
    await waitFor(async () => (await depths('retried')).every((depth) => depth === 0), { describe: 'empty queues' })
  })

  it('that no step fits is waited for in several, on the way back to the same queue and lane', async () => {
    const runs: number[] = []
    const task = defineTask({
      name: 'postponed',
      run() {
        runs.push(Date.now())
        if (runs.length === 1) throw new Postpone(740)
      },
    })
    const stepsOf = new Map<number, number[]>()
    await startWorker('postponed', [task], { onBroker: watchDelays(stepsOf) })
    await publish('postponed', { lane: 'low', priority: 20 })
    await waitFor(() => succeeded('postponed').length === 1, { describe: 'success' })
    expect((runs[1] ?? 0) - (runs[0] ?? 0)).toBeGreaterThanOrEqual(740)
    const steps = stepsOf.get(1)
    expect(steps?.[0]).toBeLessThan(740)
    expect(total(steps)).toBeLessThanOrEqual(740 + 50)
  })

  it('survives its worker', async () => {
    let attempts = 0
    const task = defineTask({
      name: 'handed-on',
      retry: { backoff: { type: 'constant', pause: 300 } },
      run() {
        attempts += 1
        if (attempts === 1) throw new Error('boom')
      },
    })
    const first = await startWorker('handed-on', [task])
    await publish('handed-on', {})
    await waitFor(() => events('handed-on').length === 1, { describe: 'the first attempt to fail' })
    await first.stop()
    await startWorker('handed-on', [task])
    await waitFor(() => succeeded('handed-on').length === 1, { describe: 'success' })
  })
})

it('runs a task again whose worker was killed in the middle of it', async () => {
  const script = fileURLToPath(new URL('fixtures/hanging-worker.ts', import.meta.url))
  const child = fork(script, [shared.url, shared.namespace, 'killed'])
  onTestFinished(() => void child.kill('SIGKILL'))
  const started = once(child, 'message')
  await publish('killed', {})
  expect(await started).toContain(item(1).id)
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended

  await startWorker('killed', [defineTask({ name: 'killed', run: () => 'done' })])
  await waitFor(() => succeeded('killed').length > 0, { describe: 'the redelivery to succeed' })
  expect(events('killed')).toMatchObject([{ type: 'succeeded', attempt: 1, result: 'done' }])
})

it('loses nothing, and runs nothing twice, when workers are replaced one after the other under load', async () => {
  const runs = new Map<number, number>()
  const task = defineTask({
    name: 'rolling',
    async run({ block }) {
      runs.set(block.number, (runs.get(block.number) ?? 0) + 1)
      await new Promise((resolve) => void setTimeout(resolve, 5))
    },
  })
  const singles = blocks(300).map((block) => ({ items: [item(block)] }))
  const chunks = blocks(10).map((n) => ({ lane: 'low' as const, items: blocks(10).map((i) => item(300 + 10 * n + i)) }))
  const published = publish('rolling', ...singles, ...chunks)
  for (let replaced = 0; replaced < 4; replaced += 1) {
    const worker = await startWorker('rolling', [task], { config: { concurrency: 10 } })
    await waitFor(() => runs.size >= 80 * (replaced + 1), { describe: 'some tasks to run', intervalMs: 1 })
    await worker.stop()
  }
  await published
  await startWorker('rolling', [task])
  await waitFor(() => succeeded('rolling').length >= 400, { describe: 'all tasks to succeed' })

  expect(succeeded('rolling')).toEqual(blocks(400))
  expect([...runs.values()].every((count) => count === 1)).toBe(true)
})

it('runs 500 tasks once each while its connections are cut again and again', async () => {
  const proxy = await startTcpProxy({ target: shared.url })
  onTestFinished(() => proxy.stop())
  const runs = new Map<number, number>()
  const task = defineTask({
    name: 'cut',
    async run({ block }) {
      runs.set(block.number, (runs.get(block.number) ?? 0) + 1)
      await new Promise((resolve) => void setTimeout(resolve, 10))
    },
  })
  await startWorker('cut', [task], { url: proxy.url, config: { concurrency: 10 } })
  const published = publish('cut', ...blocks(500).map((block) => ({ items: [item(block)] })))
  for (let cuts = 1; cuts <= 5; cuts += 1) {
    await waitFor(() => runs.size >= cuts * 80, { describe: 'tasks to run', intervalMs: 1 })
    proxy.cut()
  }
  await published
  await waitFor(() => new Set(succeeded('cut')).size === 500, { describe: 'every task to succeed', timeoutMs: 60_000 })
  await waitFor(async () => (await depths('cut')).every((depth) => depth === 0), { describe: 'empty queues' })

  expect(runs.size).toBe(500)
  expect([...runs.values()].filter((count) => count > 1)).toEqual([])
})

it('stops within seconds while the broker stalls and nothing runs, however long its grace', async () => {
  const proxy = await startTcpProxy({ target: shared.url })
  onTestFinished(() => proxy.stop())
  const task = defineTask({ name: 'stalled', run: () => {} })
  const worker = await startWorker('stalled', [task], { url: proxy.url, config: { graceMs: 90_000 } })
  await publish('stalled', { items: [item(1)] })
  await waitFor(() => succeeded('stalled').length === 1, { describe: 'the task to succeed' })
  await worker.drain()
  proxy.stall()
  const begun = performance.now()
  await worker.stop()
  expect(performance.now() - begun).toBeLessThan(20_000)
})

it('puts poison on the dead queue with the reason, and goes on with what is sound', async () => {
  const { topology, publisher } = broker()
  const dead: Delivery[] = []
  const subscription = await broker().consume({
    queue: topology.deadQueue,
    prefetch: 10,
    onDelivery(delivery) {
      dead.push(delivery)
      delivery.ack()
    },
  })
  await startWorker('poisoned', [defineTask({ name: 'poisoned', run: () => undefined })], {
    config: { smallestDelayMs: 5 },
  })
  const routingKey = topology.taskKey('poisoned', 'normal')
  const poison = { exchange: topology.exchanges.tasks, routingKey, type: 'blockmill.task.v1' }
  await publisher.publish({ ...poison, body: Buffer.from('{"v":1,"__proto__":{}}') })
  await publish('poisoned', { task: 'gone' }, {})
  await waitFor(() => dead.length === 2 && succeeded('poisoned').length === 1, { describe: 'all three to end' })
  await subscription.close()

  const reasons = dead.map(({ headers }) => headers[DEAD_HEADERS.reason])
  expect(new Set(reasons)).toEqual(new Set(['invalid_message', 'unknown_task']))
  await waitFor(async () => (await depths('poisoned')).every((depth) => depth === 0), { describe: 'empty queues' })
})

it('serves only the queues that it was given', async () => {
  const run = (): void => undefined
  await publish('not-served', {})
  await startWorker('served', [defineTask({ name: 'served', run }), defineTask({ name: 'not-served', run })])
  await publish('served', {})
  await waitFor(() => succeeded('served').length === 1, { describe: 'the served task to run' })
  await expect.poll(() => depths('not-served')).toEqual([0, 1, 0])
})

it('serves only the lanes that it was given, and leaves the others to workers that have those', async () => {
  const ranOn: string[] = []
  const start = (lanes: readonly Lane[]) => {
    const run = ({ args }: { args: { lane: string } }): void => void ranOn.push(`${args.lane} by ${lanes.join()}`)
    return startWorker('lanes', [defineTask({ name: 'lanes', run })], { config: { name: lanes.join(), lanes } })
  }
  await publish('lanes', { lane: 'low', priority: 20, items: [item(1, { lane: 'low' })] })
  await start(['high', 'normal'])
  await publish('lanes', { items: [item(2, { lane: 'normal' })] })
  await publish('lanes', { lane: 'high', priority: 0, items: [item(3, { lane: 'high' })] })
  await waitFor(() => succeeded('lanes').length === 2, { describe: 'the tasks of two lanes to run' })
  await expect.poll(() => depths('lanes')).toEqual([0, 0, 1])

  await start(['low'])
  await waitFor(() => succeeded('lanes').length === 3, { describe: 'the task of the low lane to run' })
  expect(ranOn.sort()).toEqual(['high by high,normal', 'low by low', 'normal by high,normal'])
})

it('starts a normal task in the next free slot, within one handler duration and 100 ms, although 10,000 low ones wait', async () => {
  const handlerMs = 50
  const startedAt = new Map<number, number>()
  let low = 0
  /** How many low tasks had started when a normal one arrived, and when it started. */
  const lowAtArrival: number[] = []
  const lowAtStart: number[] = []
  const task = defineTask({
    name: 'flooded',
    async run({ block }) {
      startedAt.set(block.number, performance.now())
      if (block.number < 10_000) low += 1
      else lowAtStart.push(low)
      await new Promise((resolve) => void setTimeout(resolve, handlerMs))
    },
  })
  await publish(
    'flooded',
    ...blocks(10_000).map((block) => ({ lane: 'low' as const, priority: 20, items: [item(block)] })),
  )
  const normalLane = broker().topology.workQueue('flooded', 'normal')
  const onBroker = (client: Broker): void => {
    const consume = client.consume.bind(client)
    client.consume = (options) =>
      consume({
        ...options,
        onDelivery(delivery) {
          if (delivery.queue === normalLane) lowAtArrival.push(low)
          options.onDelivery(delivery)
        },
      })
  }
  await startWorker('flooded', [task], { config: { concurrency: 4 }, onBroker })
  await waitFor(() => startedAt.size >= 8, { describe: 'the worker to be saturated', intervalMs: 1 })
  const waitsMs: number[] = []
  for (let block = 10_000; block < 10_010; block += 1) {
    const publishedAt = performance.now()
    await publish('flooded', { items: [item(block)] })
    await waitFor(() => startedAt.has(block), { describe: 'the normal task to start', intervalMs: 1 })
    waitsMs.push((startedAt.get(block) ?? 0) - publishedAt)
  }
  expect(lowAtStart).toEqual(lowAtArrival)
  // The fastest of ten: the others tell how busy the machine is.
  expect(Math.min(...waitsMs)).toBeLessThanOrEqual(handlerMs + 100)
})

it('tells the monitor what it runs, and that it stops', async () => {
  const running = Promise.withResolvers<void>()
  const task = defineTask({ name: 'beating', run: () => running.promise })
  const worker = await startWorker('beating', [task], { config: { heartbeatMs: 50 } })
  await publish('beating', {})
  const beats = () => heartbeats().filter((beat) => beat.worker === 'worker-of-beating')
  await waitFor(() => beats().some((beat) => beat.running[0]?.taskId === item(1).id), { describe: 'a heartbeat' })
  running.resolve()
  await worker.stop()
  await waitFor(() => beats().at(-1)?.stopping === true, { describe: 'the last heartbeat' })
})

import { randomUUID } from 'node:crypto'

import { createMetrics, createSilentLogger, defineRangeTask } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { expect, it, onTestFinished } from 'vitest'

import { createJobStore } from '../src/job/job-store.ts'
import { RangeCoordinator } from '../src/job/range-coordinator.ts'
import { createQueuePressure } from '../src/pressure/queue-pressure.ts'
import { createSchedulerMetrics } from '../src/scheduler-metrics.ts'
import { createSql } from '../src/sql.ts'
import { rangeRig } from './range-rig.ts'

const rig = rangeRig()
const TOKEN = 7

async function takeLease(chain: string): Promise<void> {
  await rig
    .database()
    .query(
      `insert into blockmill.scheduler_lease (chain, holder, token, expires_at) values ($1, 'test', $2, now() + interval '1 hour')`,
      [chain, TOKEN],
    )
}

const storeOf = (chain: string) => createJobStore({ sql: createSql(rig.database()), chain, token: TOKEN })

/** A coordinator that gives up on what is lost within a moment, and leads with a token of its own. */
async function lead({
  rowsLostAfterMs = 60_000,
  unrecordedAfterMs = 600_000,
  isMonitorBehind = (): boolean => false,
} = {}) {
  const chain = rig.chainName()
  const broker = rig.broker()
  const pressure = createQueuePressure({ broker, window: 10_000, monitorLimit: 1_000_000 })
  await takeLease(chain)
  const stopping = new AbortController()
  const lost = Promise.withResolvers<unknown>()
  const coordinator = new RangeCoordinator({
    ports: {
      chain,
      store: storeOf(chain),
      broker,
      logger: createSilentLogger(),
      metrics: createSchedulerMetrics({
        registry: createMetrics('scheduler'),
        chain,
        heights: () => [],
        backlog: () => [],
      }),
      defaultMaxAttempts: 3,
      pressure: { ...pressure, isMonitorBehind: () => Promise.resolve(isMonitorBehind()) },
      now: Date.now,
      clock: () => performance.now(),
      finalized: () => 0,
      stopping: stopping.signal,
      abandoned: stopping.signal,
      onLeaseLost: lost.resolve,
    },
    definitions: [defineRangeTask({ name: 'fetch', queue: rig.queue(), run: () => null })],
    rowsLostAfterMs,
    unrecordedAfterMs,
  })
  const running = coordinator.run()
  onTestFinished(async () => {
    stopping.abort()
    await running
  })
  return { coordinator, leaseLost: lost.promise }
}

it('runs a batch anew, as a later generation, when rows that its task names are gone', async () => {
  await lead({ rowsLostAfterMs: 300 })
  const worker = await rig.startWorker((_, { generation = 0 }) => ({
    type: 'succeed',
    rows: 3,
    // Of the first run, one part never arrives.
    parts: generation === 0 ? 2 : 3,
  }))
  const id = await rig.create({ from: 0, to: 9 })
  expect(await rig.inState(id, 'completed')).toMatchObject({ done: 10, rows: 3 })
  const [first, second] = worker.messages
  expect(worker.messages).toHaveLength(2)
  expect(second?.items).toEqual(first?.items)
  expect(second?.generation).toBeGreaterThan(0)
  const [batch] = await rig.jobs().batches(id)
  expect(batch).toMatchObject({ tries: 2, rows: 3 })
})

it('is not complete before the last row is stored, and says what it waits for', async () => {
  await lead()
  await rig.startWorker(() => ({ type: 'succeed', rows: 2, parts: 1 }))
  const id = await rig.create({ from: 0, to: 9 })
  await waitFor(
    async () => (await rig.jobs().summary(id)).note?.includes('until a monitor has stored the rows of 1 batches'),
    {
      describe: 'a note on rows',
    },
  )
  expect(await rig.jobs().summary(id)).toMatchObject({ state: 'running', done: 0, rows: 0, batches: { queued: 1 } })
  // The part arrives.
  await rig.database().query(
    `insert into blockmill.range_result (job, task_id, execution, part, rows, bytes, data)
     select job, task_id, execution, 1, 1, 1, data from blockmill.range_result where job = $1`,
    [id],
  )
  expect(await rig.inState(id, 'completed')).toMatchObject({ done: 10, rows: 2 })
})

it('publishes the same run of a batch again when nobody knows of its task any more', async () => {
  await lead({ unrecordedAfterMs: 200 })
  const id = await rig.create({ from: 0, to: 9 })
  await waitFor(async () => (await rig.depth()) === 1, { describe: 'the batch to be queued' })
  await waitFor(async () => (await rig.jobs().summary(id)).batches.queued === 1, { describe: 'the batch to be marked' })
  // Its queue is purged, and so is the monitor's, where nobody records.
  for (const queue of [rig.lane(), rig.topology.monitorQueue]) await rig.broker().purge(queue)
  const worker = await rig.startWorker(() => ({ type: 'succeed' }))
  const consumed = await rig.broker().consume({
    queue: rig.topology.monitorQueue,
    prefetch: 100,
    onDelivery: (delivery) => delivery.ack(),
  })
  onTestFinished(() => consumed.close())
  expect(await rig.inState(id, 'completed')).toMatchObject({ done: 10 })
  expect(worker.messages[0]?.generation).toBeUndefined()
})

it('dispatches nothing while the monitor is behind, and says so', async () => {
  let isMonitorBehind = true
  await lead({ isMonitorBehind: () => isMonitorBehind })
  const worker = await rig.startWorker(() => ({ type: 'succeed' }))
  const id = await rig.create({ from: 0, to: 9 })
  await waitFor(async () => (await rig.jobs().summary(id)).note?.includes('until the monitor has caught up'), {
    describe: 'a note on the monitor',
  })
  expect(worker.messages).toEqual([])
  isMonitorBehind = false
  expect(await rig.inState(id, 'completed')).toMatchObject({ done: 10, note: null })
})

it('calls off the batches of a cancelled job some at a time, the queued ones first', async () => {
  await takeLease(rig.chainName())
  const store = storeOf(rig.chainName())
  const id = await rig.create({ from: 0, to: 9 })
  const batch = (block: number) => ({
    from: block,
    to: block,
    number: block + 1,
    taskId: randomUUID(),
    maxAttempts: null,
  })
  const planned = Array.from({ length: 10 }, (_, block) => batch(block))
  await store.plan(id, planned)
  await store.dispatched(planned.slice(7).map((one) => ({ ...one, job: id, generation: 0 })))
  const left = async () => {
    const { batches, finishedAt } = await rig.jobs().summary(id)
    return { queued: batches.queued, pending: batches.pending, isOver: finishedAt !== null }
  }
  await store.callOff(id, 100)
  expect(await left()).toEqual({ queued: 3, pending: 7, isOver: false })
  await rig.jobs().order(id, 'cancel')
  expect(await store.callOff(id, 5)).toBe(false)
  expect(await left()).toEqual({ queued: 0, pending: 5, isOver: false })
  expect(await store.callOff(id, 5)).toBe(false)
  expect(await store.callOff(id, 5)).toBe(true)
  expect(await left()).toEqual({ queued: 0, pending: 0, isOver: true })
})

it('changes nothing once another scheduler leads', async () => {
  const { leaseLost } = await lead()
  await rig.startWorker(() => ({ type: 'hold' }))
  const id = await rig.create({ from: 0, to: 99, batchSize: 10 })
  await waitFor(async () => (await rig.jobs().summary(id)).batches.queued === 10, { describe: 'batches to be queued' })
  await rig
    .database()
    .query('update blockmill.scheduler_lease set token = token + 1 where chain = $1', [rig.chainName()])
  expect(await leaseLost).toMatchObject({ code: 'SCHEDULER_LEASE_LOST' })

  const store = storeOf(rig.chainName())
  const [batch] = await store.ended([id], [], 1)
  expect(batch).toBeUndefined()
  const before = await rig.jobs().batches(id)
  const [first] = await store.unrecorded([id], new Date(Date.now() + 1_000), 1)
  if (first === undefined) throw new Error('there are queued batches')
  const pieces = [{ from: 0, to: 4, number: 1, taskId: first.taskId, maxAttempts: 1 }]
  const writes = [
    () => store.start(id, { batchSize: 1, minBatch: 1 }),
    () => store.plan(id, [{ from: 500, to: 509, number: 51, taskId: first.taskId, maxAttempts: null }]),
    () => store.dispatched([first]),
    () => store.move([{ batch: first, state: 'split', pieces }]),
    () => store.report([{ job: id, blocksPerSecond: 1, rowsPerSecond: 1, note: 'stalled' }]),
    () => store.pause(id, 'stalled'),
    () => store.finish(id, 'complete', null),
    () => store.callOff(id, 10),
  ]
  for (const write of writes) await expect(write()).rejects.toMatchObject({ code: 'SCHEDULER_LEASE_LOST' })
  expect(await rig.jobs().batches(id)).toEqual(before)
  expect(await rig.jobs().summary(id)).toMatchObject({ state: 'running', note: null })
})

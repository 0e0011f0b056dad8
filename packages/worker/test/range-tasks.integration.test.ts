import {
  type AnyRangeTaskDefinition,
  discoverTasks,
  readManifest,
  type RowsManifest,
  type TaskEvent,
} from '@blockmill/core'
import { startTcpProxy, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { batch, ReceivedParts } from './batches.ts'
import { rowOf } from './fixtures/range-tasks.ts'
import { liveRig } from './live-rig.ts'

const TASKS = fileURLToPath(new URL('fixtures/range-tasks.ts', import.meta.url))

const rabbit = testBroker()
const { broker, events, publish, startWorker } = liveRig(rabbit)
const isolation = { taskPackages: [TASKS] }
const received = new ReceivedParts()
let definitions: readonly AnyRangeTaskDefinition[]
let batches = 0

beforeAll(async () => {
  definitions = (await discoverTasks([TASKS])).listRangeTasks().map((task) => task.definition)
  await received.consume(broker())
})

/** Publishes a batch of its own, and gives the id of its task. */
async function start(queue: string, task: string, does: string, blocks = 999, changes = {}): Promise<string> {
  batches += 1
  const from = batches * 10_000
  const { items, ...message } = batch(from, from + blocks)
  const [item] = items
  if (item === undefined) throw new Error('a batch without a task')
  await publish(queue, { ...message, task, queue, items: [{ ...item, args: { does } }], ...changes })
  return item.id
}

async function ended(task: string, taskId: string): Promise<TaskEvent> {
  const find = () =>
    events(task).find((event) => event.taskId === taskId && ['succeeded', 'failed', 'split'].includes(event.type))
  await waitFor(() => find() !== undefined, { describe: 'the end of the batch', timeoutMs: 60_000 })
  return find() as TaskEvent
}

async function manifestOf(task: string, taskId: string): Promise<RowsManifest> {
  const event = await ended(task, taskId)
  const manifest = event.type === 'succeeded' ? readManifest(event.result) : undefined
  if (manifest === undefined) throw new Error(`the batch ended with ${JSON.stringify(event).slice(0, 500)}`)
  return manifest
}

/** The rows of a batch, when all its parts have come. */
async function rowsOf(manifest: RowsManifest): Promise<unknown[]> {
  const parts = manifest.parts.reduce((sum, one) => sum + one.parts, 0)
  expect(parts).toBeGreaterThan(0)
  return waitFor(() => received.rows(manifest.parts), { describe: 'the parts of the batch' })
}

function blockRows(from: number, count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => rowOf(from + index))
}

describe.each(['none', 'thread', 'process'])('a batch with isolation %s', (task) => {
  it('goes on from its checkpoint, splits, keeps its rate limit, and fails when it never awaits what it emits', async () => {
    await startWorker(task, definitions, { isolation })
    const [failing, splitting, throttled, endless] = await Promise.all([
      start(task, task, 'failOnce'),
      start(task, task, 'splitMe'),
      start(task, task, 'throttle'),
      start(task, task, 'neverAwait', 999, { maxAttempts: 1 }),
    ])
    const manifest = await manifestOf(task, failing)
    expect(manifest.rows).toBe(1_000)
    expect(manifest.parts).toHaveLength(2)
    expect(await rowsOf(manifest)).toEqual(blockRows((manifest.value as { from: number }).from - 500, 1_000))
    expect(await ended(task, splitting)).toMatchObject({ type: 'split', reason: 'more than 10,000 rows', safeSize: 10 })
    expect(await manifestOf(task, throttled)).toMatchObject({ rows: 0, parts: [] })
    expect(await ended(task, endless)).toMatchObject({ type: 'failed', error: { code: 'EMIT_NOT_AWAITED' } })
  })
})

it('a batch whose process is killed goes on from the checkpoint that its worker knows of', async () => {
  await startWorker('killed', definitions, { isolation })
  const manifest = await manifestOf('process', await start('killed', 'process', 'dieOnce'))
  const { from } = manifest.value as { from: number }
  expect(from % 10_000).toBe(500)
  expect(manifest.rows).toBe(1_000)
  expect(await rowsOf(manifest)).toEqual(blockRows(from - 500, 1_000))
})

it('a batch has each row once when its connection is cut while parts flow', async () => {
  const proxy = await startTcpProxy({ target: rabbit.url })
  onTestFinished(() => proxy.stop())
  await startWorker('cut', definitions, { url: proxy.url, isolation })
  const before = received.all.length
  const taskId = await start('cut', 'none', 'failOnce', 9_999)
  for (let cuts = 0; cuts < 3; cuts += 1) {
    const parts = received.all.length
    await waitFor(() => received.all.length > parts || events('none').some((event) => event.taskId === taskId), {
      describe: 'a part',
    })
    proxy.cut()
  }
  const manifest = await manifestOf('none', taskId)
  expect(received.all.length).toBeGreaterThan(before)
  expect(manifest.rows).toBe(10_000)
  const rows = (await rowsOf(manifest)) as { block: number }[]
  expect(rows.map(({ block }) => block % 10_000)).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
})

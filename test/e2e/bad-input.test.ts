import { LANES, TASK_MESSAGE_TYPE, taskId, type TaskMessage } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import type { ServiceProcess } from './src/service-process.ts'
import { startWorkSystem, WORK_CHAIN, type WorkSystem } from './src/work-system.ts'

const broker = testBroker()
const database = testDatabase()

const QUEUE = 'bad-input'
const WORKER = 'sole'
let system: WorkSystem
let worker: ServiceProcess

beforeAll(async () => {
  system = await startWorkSystem(broker, database)
  worker = await system.startWorker({ name: WORKER, queue: QUEUE, tasks: 'bad-input-tasks', concurrency: 4 })
})
afterAll(async () => {
  await worker.stop()
  await system.stop()
})

let block = 0

/** A sound message, each time for another block. */
function messageOf(task: string, args: TaskMessage['items'][number]['args'] = {}): TaskMessage {
  block += 1
  return {
    v: 1,
    chain: WORK_CHAIN,
    task,
    queue: QUEUE,
    lane: 'normal',
    priority: 10,
    attempt: 1,
    postpones: 0,
    maxAttempts: 1,
    scheduledAt: new Date().toISOString(),
    cause: 'live',
    items: [
      { id: taskId({ chain: WORK_CHAIN, task, args: {}, block: { number: block } }), block: { number: block }, args },
    ],
  }
}

async function publishBody(body: Buffer): Promise<void> {
  const { topology, publisher } = system.broker
  const routingKey = topology.taskKey(QUEUE, 'normal')
  await publisher.publish({ exchange: topology.exchanges.tasks, routingKey, body, type: TASK_MESSAGE_TYPE })
}

interface RecordedTask {
  readonly status: string
  readonly reason: string | null
  readonly worker: string | null
  readonly result: unknown
  readonly error: { readonly name: string; readonly message: string; readonly code?: string } | null
  readonly attempt: number
}

/** The task as the API shows it, once it is in this state. */
async function recorded(id: string, status: string, { timeoutMs = 60_000 } = {}): Promise<RecordedTask> {
  return await waitFor(
    async () => {
      const response = await fetch(new URL(`/api/v1/tasks/${id}`, system.monitor.url))
      const task = (await response.json()) as RecordedTask
      return task.status === status && task
    },
    { describe: `task ${id} is recorded as ${status}`, timeoutMs },
  )
}

interface Letter {
  readonly queue: string
  readonly reason: string
  readonly error: string
  readonly bytes: number
}

/** Dead letters whose error says this, once there are any. */
async function letters(error: RegExp): Promise<Letter[]> {
  return await waitFor(
    async () => {
      const all = await system.database.query<Letter>(
        'select reason, error, queue, length(body) as bytes from blockmill.dead_letter',
      )
      const found = all.filter((letter) => error.test(letter.error))
      return found.length > 0 && found
    },
    { describe: `a dead letter says ${String(error)}` },
  )
}

describe('a message that nobody can read', () => {
  const sound = (changes: object) => JSON.stringify({ ...messageOf('echo'), ...changes })
  const withArgs = (args: string) => sound({}).replace('"args":{}', `"args":${args}`)

  it.each([
    ['is cut short', () => sound({}).slice(0, -20), /Expected|Unterminated/],
    ['is no text', () => Buffer.from([0xff, 0xfe, 0x00]), /Unexpected token/],
    [
      'has a __proto__ key',
      () => withArgs('{"__proto__":{"isAdmin":true}}'),
      /not safe JSON.*__proto__|forbidden prototype/,
    ],
    ['has another version', () => sound({ v: 2 }), /\/v /],
    ['names a queue with a dot', () => sound({ queue: 'a.b' }), /\/queue /],
    ['has no items', () => sound({ items: [] }), /\/items /],
    ['is of 15 MiB', () => Buffer.alloc(15 * 1024 * 1024, ' '), /15728640 bytes exceeds/],
  ])('is kept as a dead letter that says why, when it %s', async (_, body, error) => {
    const bytes = Buffer.from(body())
    await publishBody(bytes)
    // Worker and monitor each give it up, and both say the same of it.
    expect(await letters(error)).toMatchObject([{ reason: 'invalid_message', bytes: bytes.length }])
  })

  it('is kept or refused with its size, as the broker has it, when it is of 20 MiB', async () => {
    const refusal = await publishBody(Buffer.alloc(20 * 1024 * 1024, ' ')).then(
      () => undefined,
      (error: Error) => error.message,
    )
    // RabbitMQ takes at most 128 MiB up to 3.13, and 16 MiB from 4.0 on.
    if (refusal === undefined) expect(await letters(/20971520 bytes exceeds/)).toHaveLength(1)
    else expect(refusal).toContain('message size 20971520 is larger than configured max size')
  })
})

describe('a task that no worker can run', () => {
  it.each([
    ['its name is unknown', () => messageOf('frobnicate'), 'unknown_task', /'frobnicate'/],
    ['it is for another chain', () => ({ ...messageOf('echo'), chain: 'mars' }), 'unknown_chain', /'mars'/],
    ['its arguments do not fit', () => messageOf('echo', { word: 7 }), 'invalid_args', /word/],
    [
      'its arguments are too large',
      () => messageOf('echo', { word: 'x'.repeat(70_000) }),
      'invalid_args',
      /70\d+ bytes of JSON; at most 65536/,
    ],
  ])('is dead on record, with a dead letter that says why, when %s', async (_, make, reason, error) => {
    const message = make()
    await system.publish(message)
    const [{ id }] = message.items as [TaskMessage['items'][number]]
    // A task that no worker knows waits some four hundred smallest delays for one that does.
    expect(await recorded(id, 'dead', { timeoutMs: 180_000 })).toMatchObject({ reason, worker: WORKER })
    const queue = system.broker.topology.workQueue(QUEUE, 'normal')
    expect(await letters(error)).toMatchObject([{ reason, queue }])
  })
})

describe('a handler that ends in a way that cannot be recorded', () => {
  it.each([
    ['returns a BigInt', 'returns-bigint', 'RESULT_NOT_JSON', /balance is a bigint/],
    ['returns a cycle', 'returns-cycle', 'RESULT_NOT_JSON', /self refers back/],
    ['returns too much', 'returns-too-much', 'RESULT_TOO_LARGE', /300002 bytes/],
    ['returns what is nested too deeply', 'returns-too-deep', 'RESULT_NOT_JSON', /nested/],
    ['throws a text of 5 MB', 'throws-too-much', undefined, /^y+/],
    ['throws nothing', 'throws-nothing', undefined, /null/],
  ])('fails with an error that says why, when it %s', async (_, task, code, text) => {
    const message = messageOf(task)
    await system.publish(message)
    const [{ id }] = message.items as [TaskMessage['items'][number]]
    const { error, attempt } = await recorded(id, 'failed')
    expect({ code: error?.code, attempt }).toEqual({ code, attempt: 1 })
    expect(error?.message).toMatch(text)
  })
})

it('leaves worker and monitor at work, and nothing stuck on the broker', async () => {
  const { topology, publisher } = system.broker
  await publisher.publish({
    exchange: topology.exchanges.events,
    routingKey: topology.eventKey('batch'),
    body: Buffer.from('{}'),
    type: 'somebody.elses.v1',
  })
  expect(await letters(/somebody\.elses/)).toMatchObject([{ reason: 'invalid_message', queue: topology.monitorQueue }])

  const message = messageOf('echo', { word: 'still here' })
  await system.publish(message)
  const [{ id }] = message.items as [TaskMessage['items'][number]]
  expect(await recorded(id, 'succeeded')).toMatchObject({ worker: WORKER, result: { word: 'still here' } })

  expect(await worker.stop(), 'the worker that was started first is the one that stops').toBe(0)
  const queues = [...LANES.map((lane) => topology.workQueue(QUEUE, lane)), topology.monitorQueue, topology.deadQueue]
  await waitFor(
    async () =>
      (await Promise.all(queues.map((queue) => system.broker.depth(queue)))).every((depth) => depth?.messages === 0),
    { describe: 'all queues are empty' },
  )
})

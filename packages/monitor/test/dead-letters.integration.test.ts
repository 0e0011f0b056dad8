import {
  createSilentLogger,
  type JsonObject,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { beforeEach, describe, expect, it } from 'vitest'

import { createDeadLetterRecorder } from '../src/recorder/dead-letter-recorder.ts'
import { createStorage } from '../src/recorder/storage.ts'
import { createFakeBroker } from './fake-broker.ts'
import { idOfBlock, type Message, taskMessage } from './message-arbitraries.ts'
import { testApi, testApiBroker } from './test-api.ts'

const logger = createSilentLogger()
const now = () => new Date('2026-02-01T00:00:00.000Z')
const broker = testApiBroker()
const api = testApi(() => ({ broker: broker.ports, now }))
const { call } = api
const UNKNOWN = '00000000-0000-8000-8000-000000000000'
const WORK_QUEUE = 'blockmill.work.default.normal'

beforeEach(async () => {
  await api.database.query('delete from blockmill.dead_letter')
  await api.database.query('delete from blockmill.task')
})

/** Records dead letters as the monitor does, one after the other. */
async function bury(headers: JsonObject, ...messages: readonly Message[]): Promise<void> {
  const source = createFakeBroker()
  const storage = createStorage({ database: api.database, logger, onRetry: () => undefined })
  const recorder = createDeadLetterRecorder({ broker: source, storage, logger, now: () => now().getTime() })
  await recorder.start()
  for (const message of messages) {
    const [delivery] = source.deliver(source.topology.deadQueue, [message], headers)
    await expect.poll(() => delivery?.isAcked()).toBe(true)
  }
  await recorder.stop()
}

const died = (reason: string) => ({ 'x-blockmill-reason': reason, 'x-blockmill-queue': WORK_QUEUE })

async function theLetter(): Promise<string> {
  const { body } = await call('GET', '/dead')
  expect(body.letters).toHaveLength(1)
  return body.letters[0].id
}

function publishedTasks(): TaskMessage[] {
  return broker.published.map(({ message }) => taskMessageCodec.decode(message.body))
}

describe('GET /api/v1/dead', () => {
  it('pages through all letters once, the last first, also those of one moment', async () => {
    await bury(died('unknown_task'), ...[1, 2, 3, 4, 5].map((block) => taskMessage([block])))
    await api.database.query(
      `update blockmill.dead_letter set received_at = '2026-01-01T00:00:00.000123Z' where task_id <> $1`,
      [idOfBlock(5)],
    )
    const ids: string[] = []
    let cursor = ''
    do {
      const { status, body } = await call('GET', `/dead?limit=2${cursor}`)
      expect(status).toBe(200)
      ids.push(...body.letters.map(({ taskId }: { taskId: string }) => taskId))
      cursor = body.nextCursor === undefined ? '' : `&cursor=${body.nextCursor}`
    } while (cursor !== '')
    expect(ids).toHaveLength(5)
    expect(ids[0]).toBe(idOfBlock(5))
    expect(new Set(ids)).toEqual(new Set([1, 2, 3, 4, 5].map(idOfBlock)))
  })

  it('filters by reason, queue and task', async () => {
    await bury(died('unknown_task'), taskMessage([1], { task: 'a-task' }))
    await bury(died('invalid_args'), taskMessage([2], { task: 'b-task' }))
    await bury({ ...died('invalid_args'), 'x-blockmill-queue': 'blockmill.work.slow.low' }, taskMessage([3]))
    const count = async (query: string) => (await call('GET', `/dead?${query}`)).body.letters.length
    expect(await count('reason=invalid_args')).toBe(2)
    expect(await count('queue=default')).toBe(2)
    expect(await count('queue=blockmill.work.slow.low')).toBe(1)
    expect(await count('task=a-task')).toBe(1)
    expect(await count('task=a-task&reason=invalid_args')).toBe(0)
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['reason=&task=x', 'reason'],
    ['sort=body', 'sort'],
  ])('refuses %s, and names the field', async (query, field) => {
    const { status, body } = await call('GET', `/dead?${query}`)
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })
})

describe('GET /api/v1/dead/:id', () => {
  it('shows a body that is text as text, with the headers', async () => {
    const message = taskMessage([1])
    await bury({ ...died('unknown_task'), 'x-death': [{ count: 3 }] }, message)
    const { status, body } = await call('GET', `/dead/${await theLetter()}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      reason: 'unknown_task',
      queue: WORK_QUEUE,
      chain: 'dev',
      task: 'test-task',
      taskId: idOfBlock(1),
      bytes: message.body.length,
      headers: { 'x-death': [{ count: 3 }] },
      body: { encoding: 'text', data: message.body.toString() },
    })
  })

  it('shows a body that is no text as base64', async () => {
    const body = Buffer.from([0, 255, 254, 10])
    await bury(died('invalid_message'), { type: TASK_MESSAGE_TYPE, body })
    const answer = await call('GET', `/dead/${await theLetter()}`)
    expect(answer.body.body).toEqual({ encoding: 'base64', data: body.toString('base64') })
  })

  it('answers 404 for an unknown id, and 400 for what is no id', async () => {
    expect(await call('GET', `/dead/${UNKNOWN}`)).toMatchObject({
      status: 404,
      body: { detail: /* names it */ expect.stringContaining(UNKNOWN) },
    })
    expect(await call('GET', '/dead/7')).toMatchObject({ status: 400, body: { errors: [{ field: 'id' }] } })
  })
})

describe('POST /api/v1/dead/:id/replay', () => {
  it('publishes the task to its queue again, from its first attempt, without the headers of its death, and deletes the letter', async () => {
    await bury(
      { ...died('unknown_task'), 'x-death': [{ count: 3 }] },
      taskMessage([1], { attempt: 3, queue: 'slow', lane: 'low' }),
    )
    const id = await theLetter()
    const generation = now().getTime()
    expect(await call('POST', `/dead/${id}/replay`)).toEqual({
      status: 200,
      body: { id, taskIds: [idOfBlock(1)], generation },
    })
    expect(broker.published[0]?.message).toMatchObject({ exchange: 'blockmill.tasks', routingKey: 'task.slow.low' })
    expect(broker.published[0]?.message.headers).toBeUndefined()
    expect(publishedTasks()).toEqual([
      expect.objectContaining({
        attempt: 1,
        postpones: 0,
        generation,
        cause: 'replay',
        scheduledAt: now().toISOString(),
      }),
    ])
    expect(broker.declared).toHaveLength(1)
    expect(await call('POST', `/dead/${id}/replay`)).toMatchObject({ status: 404 })
    expect(broker.published).toHaveLength(1)
  })

  it('publishes once when two ask at the same time', async () => {
    await bury(died('unknown_task'), taskMessage([1]))
    const id = await theLetter()
    const answers = await Promise.all([1, 2, 3].map(() => call('POST', `/dead/${id}/replay`)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 404, 404])
    expect(broker.published).toHaveLength(1)
  })

  it('answers 409 for a message that cannot be read, and keeps it', async () => {
    await bury(died('invalid_message'), { type: TASK_MESSAGE_TYPE, body: Buffer.from('{"v":2}') })
    const id = await theLetter()
    const { status, body } = await call('POST', `/dead/${id}/replay`)
    expect(status).toBe(409)
    expect(body.detail).toMatch(/cannot be replayed: it cannot be read/)
    expect(await theLetter()).toBe(id)
  })

  it('answers 409 when the task has succeeded since', async () => {
    await bury(died('unknown_task'), taskMessage([1]))
    await api.database.query(`update blockmill.task set status = 'succeeded', generation = 5`)
    const { status, body } = await call('POST', `/dead/${await theLetter()}/replay`)
    expect(status).toBe(409)
    expect(body.detail).toContain('run again since')
    expect(broker.published).toEqual([])
  })

  it('answers 404 for an unknown id, and 503 while the broker takes nothing', async () => {
    expect(await call('POST', `/dead/${UNKNOWN}/replay`)).toMatchObject({ status: 404 })
    await bury(died('unknown_task'), taskMessage([1]))
    const id = await theLetter()
    broker.isReady = false
    expect(await call('POST', `/dead/${id}/replay`)).toMatchObject({ status: 503 })
    expect(await theLetter()).toBe(id)
  })
})

describe('replaying and deleting by filter', () => {
  it('replays what fits and can be replayed, the oldest first, and says what stays', async () => {
    await bury(died('unknown_task'), taskMessage([1]), taskMessage([2]), taskMessage([3]))
    await bury(died('unknown_task'), { type: TASK_MESSAGE_TYPE, body: Buffer.from('poison') })
    await bury(died('invalid_args'), taskMessage([4]))
    const first = await call('POST', '/dead/replay', { reason: 'unknown_task', limit: 2 })
    expect(first).toEqual({ status: 200, body: { replayed: 2, refused: [], left: 2 } })
    const second = await call('POST', '/dead/replay', { reason: 'unknown_task' })
    expect(second.body).toEqual({
      replayed: 1,
      refused: [{ id: expect.any(String), why: expect.stringContaining('cannot be read') }],
      left: 1,
    })
    expect(publishedTasks().flatMap(({ items }) => items.map(({ id }) => id))).toEqual([1, 2, 3].map(idOfBlock))
  })

  it('deletes one by its id, and then no more', async () => {
    await bury(died('unknown_task'), taskMessage([1]))
    const id = await theLetter()
    expect(await call('DELETE', `/dead/${id}`)).toEqual({ status: 204, body: undefined })
    expect(await call('DELETE', `/dead/${id}`)).toMatchObject({ status: 404 })
  })

  it('deletes what fits', async () => {
    await bury(died('unknown_task'), taskMessage([1]), taskMessage([2]))
    await bury(died('invalid_args'), taskMessage([3]))
    expect((await call('POST', '/dead/purge', { task: 'test-task', limit: 1 })).body).toEqual({ deleted: 1, left: 2 })
    expect((await call('POST', '/dead/purge', { all: true })).body).toEqual({ deleted: 2, left: 0 })
  })

  it.each(['/dead/replay', '/dead/purge'])('%s refuses a selection that says nothing, or is wrong', async (path) => {
    expect(await call('POST', path, {})).toMatchObject({ status: 400, body: { errors: [{ field: 'all' }] } })
    expect(await call('POST', path, { limit: 1_000 })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'all' }] },
    })
    expect(await call('POST', path, { all: true, limit: 0 })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'limit' }] },
    })
    expect(await call('POST', path, { where: '1=1' })).toMatchObject({ status: 400 })
  })
})

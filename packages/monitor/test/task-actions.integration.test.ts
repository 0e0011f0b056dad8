import { controlMessageCodec, type TaskMessage, taskMessageCodec } from '@blockmill/core'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { eventBase, eventMessage, idOfBlock, succeeded, taskMessage } from './message-arbitraries.ts'
import { testApi, testApiBroker } from './test-api.ts'

const now = () => new Date('2026-02-01T00:00:00.000Z')
const broker = testApiBroker()
const api = testApi(() => ({ broker: broker.ports, now }))
const { record, call, ended } = api
const UNKNOWN = '00000000-0000-8000-8000-000000000000'
const [WAITING, FAILED, SUCCEEDED] = [idOfBlock(1), idOfBlock(2), idOfBlock(3)]

beforeEach(async () => {
  for (const table of ['task', 'task_attempt', 'unique_task', 'cancel_request']) {
    await api.database.query(`delete from blockmill.${table}`)
  }
  await record(taskMessage([1, 2, 3]), eventMessage([failed(2), succeeded(3)]))
})

function failed(block: number) {
  return {
    type: 'failed' as const,
    ...eventBase(block),
    startedAt: '2026-01-01T00:00:01.000Z',
    error: { name: 'Error', message: 'no', classes: ['Error'] },
    reason: 'exhausted' as const,
  }
}

function publishedTasks(): TaskMessage[] {
  return broker.published.map(({ message }) => taskMessageCodec.decode(message.body))
}

async function statusOf(id: string): Promise<string> {
  return (await call('GET', `/tasks/${id}`)).body.status
}

/** What is published from now on is confirmed when the test says so, and at its end. */
function holdConfirms(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  broker.publishing = promise
  onTestFinished(() => resolve())
  return resolve
}

describe('POST /api/v1/tasks/:id/retry', () => {
  it('publishes the task again as a new generation, which the record takes for the same task', async () => {
    expect(await call('POST', `/tasks/${FAILED}/retry`)).toEqual({ status: 202, body: { id: FAILED, action: 'retry' } })
    const [message] = publishedTasks()
    expect(message).toMatchObject({
      cause: 'replay',
      generation: now().getTime(),
      attempt: 1,
      postpones: 0,
      queue: 'default',
      scheduledAt: now().toISOString(),
      items: [{ id: FAILED, block: { number: 2 }, args: { netuid: 1 } }],
    })
    const [published] = broker.published
    expect(published?.message).toMatchObject({
      exchange: broker.ports.topology.exchanges.tasks,
      type: 'blockmill.task.v1',
    })
    await record({ type: published?.message.type ?? '', body: published?.message.body ?? Buffer.of() })
    const { body } = await call('GET', `/tasks/${FAILED}`)
    expect(body).toMatchObject({ status: 'scheduled', cause: 'replay', generation: now().getTime() })
    expect(body.attempts).toMatchObject([{ outcome: 'failed', generation: 0 }])
  })

  it('starts one run when it is ordered several times at once, and another when that has ended', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => call('POST', `/tasks/${FAILED}/retry`)))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409])
    expect(broker.published).toHaveLength(1)
    const generation = now().getTime()
    const again = { ...failed(2), generation }
    await record(taskMessage([2], { generation, cause: 'replay' }), eventMessage([again]))
    expect(await call('POST', `/tasks/${FAILED}/retry`)).toMatchObject({ status: 202 })
    expect(publishedTasks().at(-1)?.generation).toBe(generation + 1)
  })

  it('is free to be ordered again when the broker refused it', async () => {
    broker.publishing = Promise.reject(Object.assign(new Error('no'), {}))
    broker.publishing.catch(() => undefined)
    expect((await call('POST', `/tasks/${FAILED}/retry`)).status).toBe(500)
    broker.publishing = undefined
    expect((await call('POST', `/tasks/${FAILED}/retry`)).status).toBe(202)
  })

  it('leaves out the times that the first run had to start and end at', async () => {
    const times = { notBefore: '2026-01-01T00:00:01.000Z', expiresAt: '2026-01-01T00:00:02.000Z' }
    await record(taskMessage([9], times), eventMessage([failed(9)]))
    await call('POST', `/tasks/${idOfBlock(9)}/retry`)
    expect(publishedTasks()[0]).not.toHaveProperty('notBefore')
    expect(publishedTasks()[0]).not.toHaveProperty('expiresAt')
  })

  it('runs a task that has succeeded only with force', async () => {
    expect(await call('POST', `/tasks/${SUCCEEDED}/retry`)).toMatchObject({ status: 409 })
    expect(await call('POST', `/tasks/${SUCCEEDED}/retry?force=false`)).toMatchObject({ status: 409 })
    expect(await call('POST', `/tasks/${SUCCEEDED}/retry?force=true`)).toMatchObject({ status: 202 })
    expect(await call('POST', `/tasks/${WAITING}/retry?force=true`)).toMatchObject({ status: 409 })
    expect(broker.published).toHaveLength(1)
  })

  it('says why when the message that scheduled the task is not on record', async () => {
    await record(eventMessage([failed(7)]))
    const { status, body } = await call('POST', `/tasks/${idOfBlock(7)}/retry`)
    expect(status).toBe(409)
    expect(body.detail).toContain('not on record')
  })
})

describe('POST /api/v1/tasks/:id/cancel', () => {
  it('tells workers, and puts the order on record first', async () => {
    expect(await call('POST', `/tasks/${WAITING.toUpperCase()}/cancel`)).toMatchObject({ status: 202 })
    const [published] = broker.published
    expect(controlMessageCodec.decode(published?.message.body ?? Buffer.of())).toMatchObject({
      type: 'cancel',
      taskIds: [WAITING],
      by: 'api 127.0.0.1',
    })
    expect(await api.database.query('select task_id from blockmill.cancel_request')).toEqual([{ task_id: WAITING }])
  })
})

describe('DELETE /api/v1/tasks/:id', () => {
  it('deletes a task with its attempts and its claim, and needs no broker', async () => {
    await api.database.query(
      `insert into blockmill.unique_task (task_id, chain, name, args_hash, generation) values ($1, 'dev', 'a', 'b', 0)`,
      [FAILED],
    )
    broker.isReady = false
    expect(await call('DELETE', `/tasks/${FAILED}`)).toEqual({ status: 204, body: undefined })
    expect(await call('GET', `/tasks/${FAILED}`)).toMatchObject({ status: 404 })
    expect(await api.database.query('select from blockmill.task_attempt')).toEqual([])
    expect(await api.database.query('select from blockmill.unique_task')).toEqual([])
  })

  it('does not delete a task that was started again a moment ago', async () => {
    await call('POST', `/tasks/${FAILED}/retry`)
    expect(await call('DELETE', `/tasks/${FAILED}`)).toMatchObject({ status: 409 })
    expect(await statusOf(FAILED)).toBe('failed')
  })
})

describe('what is ordered of one task', () => {
  it.each([
    ['POST', `/tasks/${UNKNOWN}/retry`, 404],
    ['POST', `/tasks/${UNKNOWN}/cancel`, 404],
    ['DELETE', `/tasks/${UNKNOWN}`, 404],
    ['POST', `/tasks/${FAILED}/cancel`, 409],
    ['POST', `/tasks/${WAITING}/retry`, 409],
    ['DELETE', `/tasks/${WAITING}`, 409],
    ['GET', `/operations/${UNKNOWN}`, 404],
    ['POST', `/operations/${UNKNOWN}/cancel`, 404],
  ] as const)('is refused: %s %s is %i', async (method, path, expected) => {
    expect(await call(method, path)).toMatchObject({ status: expected, body: { status: expected } })
    expect(broker.published).toEqual([])
  })

  it.each([
    ['POST', '/tasks/nonsense/retry', 'id'],
    ['POST', '/tasks/1/cancel', 'id'],
    ['DELETE', `/tasks/'; drop table blockmill.task; --`, 'id'],
    ['POST', `/tasks/${FAILED}/retry?force=perhaps`, 'force'],
    ['POST', `/tasks/${FAILED}/retry?now=true`, 'now'],
    ['GET', '/operations/nonsense', 'id'],
    ['POST', '/operations/nonsense/cancel', 'id'],
  ] as const)('is refused: %s %s, and %s is named', async (method, path, field) => {
    const { status, body } = await call(method, encodeURI(path))
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })

  it('is refused while the broker takes no messages', async () => {
    broker.isReady = false
    expect(await call('POST', `/tasks/${FAILED}/retry`)).toMatchObject({ status: 503 })
    expect(await call('POST', `/tasks/${WAITING}/cancel`)).toMatchObject({ status: 503 })
    expect(await call('POST', '/tasks/actions', { action: 'retry', ids: [FAILED] })).toMatchObject({ status: 503 })
  })
})

describe('POST /api/v1/tasks/actions', () => {
  const many = Array.from({ length: 1_200 }, (_, block) => 1_000 + block)

  it('retries each task that fits a filter once, in the background, and leaves the others', async () => {
    await record(taskMessage(many.slice(0, 500)), eventMessage(many.slice(0, 500).map(failed)))
    await record(taskMessage(many.slice(500, 700)), eventMessage(many.slice(500, 700).map((one) => succeeded(one))))
    const { status, body } = await call('POST', '/tasks/actions', { action: 'retry', filter: { blockFrom: 1_000 } })
    expect(status).toBe(202)
    expect(body).toMatchObject({ action: 'retry', state: 'running', total: 500, createdBy: 'api 127.0.0.1' })
    expect(await ended(body)).toMatchObject({ state: 'completed', total: 500, done: 500, failed: 0, problems: [] })
    expect(new Set(publishedTasks().map(({ items }) => items[0]?.id)).size).toBe(500)
    expect(broker.published).toHaveLength(500)
  })

  it('deletes by filter in batches, up to the limit', async () => {
    for (let n = 0; n < many.length; n += 400)
      await record(eventMessage(many.slice(n, n + 400).map((one) => succeeded(one))))
    const filter = { status: ['succeeded'], blockFrom: 1_000 }
    const dryRun = await call('POST', '/tasks/actions', { action: 'delete', filter, dryRun: true })
    expect(dryRun).toEqual({ status: 200, body: { total: 1_200 } })
    const { body } = await call('POST', '/tasks/actions', { action: 'delete', filter, limit: 1_100 })
    expect(await ended(body)).toMatchObject({ state: 'completed', total: 1_100, done: 1_100 })
    const left = await api.database.query('select from blockmill.task where block_number >= 1000')
    expect(left).toHaveLength(100)
    expect(await statusOf(WAITING)).toBe('scheduled')
  })

  it('calls tasks off by their ids, and says which could not be', async () => {
    const { body } = await call('POST', '/tasks/actions', {
      action: 'cancel',
      ids: [WAITING, WAITING, FAILED, UNKNOWN],
    })
    expect(await ended(body)).toMatchObject({
      total: 3,
      done: 1,
      failed: 2,
      problems: [
        { id: FAILED, why: 'is failed already' },
        { id: UNKNOWN, why: 'is not on record' },
      ],
    })
    expect(broker.published).toHaveLength(1)
  })

  it('ends when it is cancelled, after the batch that is under way', async () => {
    for (let n = 0; n < many.length; n += 400) {
      const some = many.slice(n, n + 400)
      await record(taskMessage(some), eventMessage(some.map(failed)))
    }
    const confirm = holdConfirms()
    const { body } = await call('POST', '/tasks/actions', { action: 'retry', filter: { blockFrom: 1_000 } })
    expect(await call('POST', `/operations/${body.id}/cancel`)).toMatchObject({ status: 202 })
    confirm()
    const operation = await ended(body)
    expect(operation).toMatchObject({ state: 'cancelled', total: 1_200 })
    expect([0, 500]).toContain(operation.done)
    expect(await call('POST', `/operations/${body.id}/cancel`)).toMatchObject({ status: 409 })
  })

  it('runs four operations at once, and no more', async () => {
    const confirm = holdConfirms()
    const order = () => call('POST', '/tasks/actions', { action: 'cancel', ids: [WAITING] })
    const answers = [await order(), await order(), await order(), await order(), await order()]
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 409])
    confirm()
    for (const { body } of answers.slice(0, 4)) expect(await ended(body)).toMatchObject({ state: 'completed' })
    const further = await order()
    expect(further).toMatchObject({ status: 202 })
    await ended(further.body)
  })

  it('says why an operation has failed', async () => {
    broker.publishing = Promise.reject(new Error('the broker has gone'))
    broker.publishing.catch(() => undefined)
    const { body } = await call('POST', '/tasks/actions', { action: 'retry', ids: [FAILED] })
    expect(await ended(body)).toMatchObject({ state: 'failed', error: 'the broker has gone', done: 0 })
  })

  it.each([
    [{}, 'action'],
    [{ action: 'explode', ids: [WAITING] }, 'action'],
    [{ action: 'cancel' }, 'ids'],
    [{ action: 'cancel', ids: [WAITING], filter: { name: 'a' } }, 'ids'],
    [{ action: 'cancel', ids: [] }, 'ids'],
    [{ action: 'cancel', ids: ['nonsense'] }, 'ids.0'],
    [{ action: 'delete', filter: {} }, 'filter'],
    [{ action: 'delete', filter: { statuss: ['failed'] } }, 'filter.statuss'],
    [{ action: 'delete', filter: { status: ['nonsense'] } }, 'filter.status.0'],
    [{ action: 'delete', filter: { name: 'a' }, limit: 0 }, 'limit'],
    [{ action: 'delete', filter: { name: 'a' }, limit: 1.5 }, 'limit'],
    [{ action: 'retry', ids: Array.from({ length: 1_001 }, () => FAILED) }, 'ids'],
  ])('refuses %j, and names %s', async (order, field) => {
    const { status, body } = await call('POST', '/tasks/actions', order)
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })
})

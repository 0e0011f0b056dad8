import { taskMessageCodec } from '@blockmill/core'
import { beforeEach, describe, expect, it } from 'vitest'

import { testApi, testApiBroker } from './test-api.ts'

const now = () => new Date('2026-02-01T00:00:00.000Z')
const broker = testApiBroker()
const api = testApi(() => ({ broker: broker.ports, now }))
const { record } = api

beforeEach(async () => {
  for (const table of ['task', 'unique_task', 'chain']) await api.database.query(`delete from blockmill.${table}`)
})

async function enqueue(task: object) {
  const headers = { host: '127.0.0.1:8080' }
  const response = await api.app.inject({ method: 'POST', url: '/api/v1/tasks', headers, payload: task })
  return { status: response.statusCode, body: response.json(), location: response.headers.location }
}

const messages = () => broker.published.map(({ message }) => taskMessageCodec.decode(message.body))

describe('POST /api/v1/tasks', () => {
  it('publishes the task as it was asked for, where the monitor hears it', async () => {
    const { status, body, location } = await enqueue({
      name: 'snapshot',
      chain: 'finney',
      args: { netuid: 1 },
      queue: 'high-priority',
      priority: 0,
      maxAttempts: 7,
      unique: false,
      executeAfter: '5m',
      expires: '2026-02-01T01:00:00Z',
      block: 12,
      blockHash: '0xab',
    })
    expect({ status, body, location }).toEqual({
      status: 201,
      body: { id: expect.any(String), isNew: true },
      location: `/api/v1/tasks/${body.id}`,
    })
    expect(broker.published[0]?.message).toMatchObject({
      exchange: broker.ports.topology.exchanges.tasks,
      routingKey: 'task.high-priority.high',
    })
    expect(messages()).toEqual([
      {
        v: 1,
        chain: 'finney',
        task: 'snapshot',
        queue: 'high-priority',
        lane: 'high',
        priority: 0,
        generation: now().getTime(),
        attempt: 1,
        postpones: 0,
        maxAttempts: 7,
        scheduledAt: now().toISOString(),
        notBefore: '2026-02-01T00:05:00.000Z',
        expiresAt: '2026-02-01T01:00:00.000Z',
        cause: 'manual',
        items: [{ id: body.id, block: { number: 12, hash: '0xab' }, args: { netuid: 1 } }],
      },
    ])
    await api.database.query(`insert into blockmill.chain (id, genesis_hash) values ('finney', '0x1')`)
    await record(...broker.published.map(({ message: { type, body: bytes } }) => ({ type, body: bytes })))
    const task = await api.app.inject({ url: location ?? '', headers: { host: '127.0.0.1:8080' } })
    expect(task.json()).toMatchObject({ id: body.id, status: 'scheduled', cause: 'manual' })
  })

  it('answers 200 with the same id while a unique task is live, and starts one of many at once', async () => {
    await api.database.query(`insert into blockmill.chain (id, genesis_hash) values ('finney', '0x1')`)
    const answers = await Promise.all([1, 2, 3].map(() => enqueue({ name: 'note', args: { a: 1 } })))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 201])
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
    expect(await enqueue({ name: 'note', args: { a: 2 } })).toMatchObject({ status: 201 })
    expect(await enqueue({ name: 'note', args: { a: 1 }, unique: false })).toMatchObject({ status: 201 })
    expect(messages()).toHaveLength(3)
    expect(messages()[0]).toMatchObject({ chain: 'finney', queue: 'default', lane: 'normal', maxAttempts: 3 })
  })

  it('needs the chain where the record has none, or several', async () => {
    const missing = { status: 400, body: { errors: [{ field: 'chain' }] } }
    expect(await enqueue({ name: 'note' })).toMatchObject(missing)
    await api.database.query(`insert into blockmill.chain (id, genesis_hash) values ('a', '0x1'), ('b', '0x2')`)
    expect(await enqueue({ name: 'note' })).toMatchObject(missing)
  })

  it.each([
    [{}, 'name'],
    [{ name: 'a task' }, 'name'],
    [{ name: 'note', args: [] }, 'args'],
    [{ name: 'note', queue: 'No.Name' }, 'queue'],
    [{ name: 'note', priority: 1.5 }, 'priority'],
    [{ name: 'note', priority: 1_000_001 }, 'priority'],
    [{ name: 'note', maxAttempts: 0 }, 'maxAttempts'],
    [{ name: 'note', unique: 'yes' }, 'unique'],
    [{ name: 'note', executeAfter: 'tomorrow' }, 'executeAfter'],
    [{ name: 'note', executeAfter: '2026-99-99T00:00:00Z' }, 'executeAfter'],
    [{ name: 'note', executeAfter: '366d' }, 'executeAfter'],
    [{ name: 'note', expires: '5' }, 'expires'],
    [{ name: 'note', executeAfter: '10m', expires: '5m' }, 'expires'],
    [{ name: 'note', block: -1 }, 'block'],
    [{ name: 'note', blockHash: '0x1' }, 'blockHash'],
    [{ name: 'note', task: 'note' }, 'task'],
  ])('refuses %j, and names %s', async (request, field) => {
    const { status, body } = await enqueue({ chain: 'dev', ...request })
    expect(status).toBe(400)
    expect(body.errors).toContainEqual({ field, message: expect.any(String) })
    expect(broker.published).toEqual([])
  })

  it('refuses arguments over 64 KiB, a queue that there is not, and everything while there is no broker', async () => {
    const large = await enqueue({ name: 'note', chain: 'dev', args: { text: 'x'.repeat(65_536) } })
    expect(large).toMatchObject({ status: 413, body: { detail: expect.stringContaining('65536') } })
    const nowhere = await enqueue({ name: 'note', chain: 'dev', queue: 'nowhere' })
    expect(nowhere).toMatchObject({ status: 409, body: { detail: expect.stringContaining('nowhere') } })
    broker.isReady = false
    expect(await enqueue({ name: 'note', chain: 'dev' })).toMatchObject({ status: 503 })
    expect(broker.published).toEqual([])
  })
})

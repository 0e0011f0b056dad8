import { createMetrics, createSilentLogger, type Database, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createApp } from '../src/http/app.ts'
import { createStatistics } from '../src/statistics/statistics.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const now = () => new Date('2026-01-01T00:01:00.000Z')
const { url } = testDatabase({ migrate: migrateTemplate })
const NOBODY = '019a0000-0000-7000-8000-00000000ffff'

let database: Database
let app: FastifyInstance

beforeAll(async () => {
  database = openDatabase({ url, logger })
  const statistics = createStatistics({ database, logger, now })
  const metrics = createMetrics('monitor')
  app = await createApp({ database, logger, metrics, statistics, now, notReadyBecause: () => [] })
  await database.query(
    `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block) values
       ('dev', 'snapshot', 'a', 'latest', '{}', 0), ('dev', 'both', 'a', 'finalized', '{}', 0), ('other', 'both', 'a', 'finalized', '{}', 0)`,
  )
})
afterAll(async () => {
  await app.close()
  await database.close()
})
beforeEach(() => database.query('truncate blockmill.backfill cascade'))

async function post(path: string, body?: object, headers: Record<string, string> = {}) {
  const options = {
    method: 'POST' as const,
    url: `/api/v1/backfills${path}`,
    headers: { host: 'localhost', ...headers },
  }
  const answer = await app.inject(body === undefined ? options : { ...options, payload: body })
  return { status: answer.statusCode, body: answer.json() }
}

async function get(path: string) {
  const answer = await app.inject({ url: `/api/v1/backfills${path}`, headers: { host: 'localhost' } })
  return { status: answer.statusCode, body: answer.json() }
}

const request = { task: 'snapshot', from: 10, to: 19 }
const created = async (change: object = {}): Promise<string> => (await post('', { ...request, ...change })).body.id
const setState = (id: string, state: string) =>
  database.query('update blockmill.backfill set state = $2 where id = $1', [id, state])

describe('POST /backfills', () => {
  it('puts a job on record, for the chain and the head of its task', async () => {
    const options = { args: { netuid: 3 }, chunk: 100, window: 500, rate: 2.5, force: true }
    const { status, body } = await post('', { ...request, ...options })
    expect(status).toBe(201)
    expect(body).toMatchObject({
      ...request,
      ...options,
      chain: 'dev',
      head: 'latest',
      state: 'pending',
      createdAt: now().toISOString(),
      startedAt: null,
      done: 0,
      total: null,
      blocksPerSecond: 0,
      etaSeconds: null,
    })
    expect((await get(`/${body.id}`)).body).toMatchObject({ id: body.id, parts: [], tasks: { succeeded: 0 } })
    expect((await get('?state=pending&task=snapshot')).body.backfills).toHaveLength(1)
    expect((await get('?state=completed')).body.backfills).toEqual([])
  })

  it.each([
    ['from', { from: 20 }, 'from is 20 and to is 19; the first block may not be above the last'],
    ['from', { from: -1 }, 'from is -1;'],
    ['from', { from: 1.5 }, 'from is 1.5;'],
    ['to', { to: 2 ** 53 }, 'to is 9007199254740992; it must be a block number: whole, from 0 to 2^53 − 1'],
    ['chunk', { chunk: 0 }, 'chunk is 0; it must be a whole number from 1 to 500'],
    ['chunk', { chunk: 501 }, 'chunk is 501;'],
    ['window', { window: 0 }, 'window is 0;'],
    ['rate', { rate: 0 }, 'rate is 0; it must be above 0'],
    ['args', { args: [1] }, ''],
    ['from', { from: 'ten' }, ''],
    ['speed', { speed: 1 }, 'is not known'],
    ['chain', { task: 'both' }, 'is needed, because the task runs on several: dev, other'],
  ])('refuses %s in %j', async (field, change, message) => {
    const { status, body } = await post('', { ...request, ...change })
    expect({ status, body }).toMatchObject({ status: 400, body: { title: 'Bad Request' } })
    expect(body.errors.map((one: { field: string }) => one.field)).toContain(field)
    expect(body.errors[0].message).toContain(message)
  })

  it('refuses a task that nobody has run', async () => {
    expect(await post('', { ...request, task: 'snapshto' })).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining("No task 'snapshto' is on record") },
    })
    expect(await post('', { ...request, chain: 'other' })).toMatchObject({ status: 404 })
    expect(await post('', { ...request, task: 'both', chain: 'other' })).toMatchObject({ status: 201 })
  })

  it('refuses what is no JSON, and pages of another origin', async () => {
    const headers = { 'content-type': 'application/json' }
    expect(await post('', '{"task":' as unknown as object, headers)).toMatchObject({ status: 400 })
    expect(await post('', request, { origin: 'https://evil.example' })).toMatchObject({ status: 403 })
    expect(await post('', request, { origin: 'http://localhost' })).toMatchObject({ status: 201 })
  })
})

describe('orders', () => {
  it('pause, resume and cancel a job, and do no harm when given twice', async () => {
    const id = await created()
    for (const [order, state] of [
      ['pause', 'paused'],
      ['resume', 'pending'],
      ['cancel', 'cancelled'],
    ]) {
      expect(await post(`/${id}/${order}`)).toMatchObject({ status: 200, body: { id, state } })
      expect(await post(`/${id}/${order}`)).toMatchObject({ status: 200, body: { id, state } })
    }
    expect((await get(`/${id}`)).body.finishedAt).not.toBeNull()
  })

  it.each([
    ['resume', 'completed', 'is completed: only one that is paused or failed can be resumed'],
    ['resume', 'cancelled', 'is cancelled:'],
    ['pause', 'completed', 'only one that is pending or running can be paused'],
    ['pause', 'failed', 'is failed:'],
    ['cancel', 'completed', 'only one that is pending or running or paused can be cancelled'],
  ])('refuse to %s a job that is %s', async (order, state, detail) => {
    const id = await created()
    await setState(id, state)
    expect(await post(`/${id}/${order}`)).toMatchObject({
      status: 409,
      body: { title: 'Conflict', detail: expect.stringContaining(detail) },
    })
    expect((await get(`/${id}`)).body.state).toBe(state)
  })

  it('are refused for a job that is not on record, or no id', async () => {
    expect(await post(`/${NOBODY}/pause`)).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining(NOBODY) },
    })
    expect(await get(`/${NOBODY}`)).toMatchObject({ status: 404 })
    expect(await get('/seventeen')).toMatchObject({ status: 400, body: { errors: [{ field: 'id' }] } })
  })
})

describe('GET /backfills/:id', () => {
  it('tells progress, what is missing, and how the tasks are', async () => {
    const id = await created({ task: 'both', chain: 'dev', from: 0, to: 99 })
    await database.query(
      `insert into blockmill.backfill_part (backfill, args_hash, args, target, evaluated, scheduled) values
         ($1, 'h1', '{"netuid": 1}', '{[0,100)}', '{[0,40),[41,60)}', 59), ($1, 'h2', '{"netuid": 2}', '{[50,100)}', '{}', 0)`,
      [id],
    )
    await database.query(
      `insert into blockmill.task (id, chain, name, args_hash, block_number, status, attempt, postpones, changed_at)
       select ('00000000-00' || lpad(to_hex(block), 2, '0') || '-8000-8000-000000000000')::uuid, 'dev', 'both',
         case when block < 200 then 'h1' else 'h2' end, block,
         case when block < 30 then 'succeeded' when block < 35 then 'failed' when block < 37 then 'orphaned' else 'running' end,
         1, 0, now()
       from generate_series(0, 120) as block`,
    )
    await database.query(
      `update blockmill.backfill set state = 'running', blocks_per_second = 10, progress_at = clock_timestamp() where id = $1`,
      [id],
    )
    const { body } = await get(`/${id}`)
    expect(body).toMatchObject({
      state: 'running',
      done: 59,
      total: 150,
      scheduled: 59,
      blocksPerSecond: 10,
      etaSeconds: 9.1,
      tasks: { succeeded: 30, failed: 5, dropped: 2, unfinished: 63 },
    })
    expect(body.parts).toMatchObject([
      {
        args: { netuid: 1 },
        done: 59,
        total: 100,
        missing: {
          ranges: [
            { from: 40, to: 40 },
            { from: 60, to: 99 },
          ],
          isCut: false,
        },
      },
      { args: { netuid: 2 }, done: 0, total: 50 },
    ])
  })
})

import { request as httpRequest } from 'node:http'
import { randomUUID } from 'node:crypto'

import { createResultSinks, type JsonObject, type Query, storeParts } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import type { InjectOptions } from 'fastify'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { createAccess } from '../src/security/access.ts'
import { listOf, partOf } from './range-results.ts'
import { testApi } from './test-api.ts'

const VIEWER = 'viewer-token-0123456789'
const OPERATOR = 'operator-token-0123456789'
const NOBODY = '019a0000-0000-7000-8000-00000000ffff'
const now = () => new Date('2026-01-01T00:01:00.000Z')
const access = createAccess({ viewerTokens: [VIEWER], operatorTokens: [OPERATOR] })
const api = testApi(() => ({ now, access }))
let origin = ''

beforeAll(async () => {
  origin = await api.app.listen({ host: '127.0.0.1', port: 0 })
  await sql(`insert into blockmill.chain (id, genesis_hash) values ('dev', '0x0')`)
})
beforeEach(() => sql('truncate blockmill.range_job, blockmill.range_result, blockmill.audit cascade'))

async function ask(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: unknown, token = OPERATOR) {
  const options: InjectOptions = { method, url: `/api/v1/jobs${path}`, headers: { authorization: `Bearer ${token}` } }
  const answer = await api.app.inject(payload === undefined ? options : { ...options, payload: payload as object })
  const type = String(answer.headers['content-type'])
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are checked by what is expected of them
  const body: any = /json\b/.test(type) && !/ndjson/.test(type) ? answer.json() : answer.body
  return { status: answer.statusCode, type, headers: answer.headers, raw: answer.rawPayload, body }
}

const request = { task: 'fetch', from: 100, to: 399 }
const created = async (change: object = {}): Promise<string> =>
  (await ask('POST', '', { ...request, ...change })).body.id
const sql: Query = (...statement) => api.database.query(...statement)
const setState = (id: string, state: string) =>
  sql('update blockmill.range_job set state = $2, finished_at = now() where id = $1', [id, state])

/** A batch on record; one with rows has succeeded, and its rows are stored. */
async function addBatch(job: string, from: number, to: number, outcome: string | readonly JsonObject[]) {
  const batch = { from, to, taskId: randomUUID() }
  const stored = typeof outcome === 'string' ? undefined : outcome
  const part = stored?.length ? partOf(job, batch, stored) : undefined
  const output = stored && { rows: stored.length, parts: part ? listOf(part) : [] }
  await sql(
    `insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id, tries, rows, output)
     values ($1, $2, $3, 1, 0, $4, $5, 1, $6, $7)`,
    [job, from, to, stored ? 'succeeded' : outcome, batch.taskId, output?.rows ?? null, output ?? null],
  )
  if (part) await api.database.withTransaction((one) => storeParts(one, createResultSinks(), [part]))
}

const rows = Array.from({ length: 300 }, (_, index) => ({
  block: 100 + index,
  hash: `0x${index}`,
  value: `${10n ** 20n}`,
}))

async function completed(of: readonly JsonObject[] = rows): Promise<string> {
  const id = await created()
  const half = Math.ceil(of.length / 2)
  await addBatch(id, 250, 399, of.slice(half))
  await addBatch(id, 100, 249, of.slice(0, half))
  await setState(id, 'completed')
  return id
}

/** More than sockets buffer: 12 MB. */
async function largeJob(): Promise<string> {
  const id = await created()
  const large = Array.from({ length: 200 }, () => ({ text: randomUUID().repeat(30) }))
  for (let from = 100; from <= 399; from += 5) await addBatch(id, from, from + 4, large)
  await setState(id, 'completed')
  return id
}

describe('POST /jobs', () => {
  it('puts a job on record, for the only chain that there is', async () => {
    const options = { args: { address: '0xab' }, batchSize: 50, minBatch: 5, window: 8, queue: 'slow', sink: 'ndjson' }
    const { status, body } = await ask('POST', '', { ...request, ...options, priority: 5, maxAttempts: 2 })
    expect({ status, body }).toMatchObject({
      status: 201,
      body: {
        ...request,
        ...options,
        chain: 'dev',
        state: 'pending',
        createdAt: now().toISOString(),
        createdBy: expect.stringMatching(/^api [0-9a-f]{8} 127\.0\.0\.1$/) as string,
        startedAt: null,
        done: 0,
        total: 300,
        rows: 0,
        batches: { pending: 0, succeeded: 0 },
        note: "no scheduler leads chain 'dev' at the moment",
      },
    })
    expect((await ask('GET', `/${body.id}`)).body).toMatchObject({ id: body.id, missing: { blocks: 0, ranges: [] } })
    const [audit] = await sql('select role, method, route, params from blockmill.audit')
    expect(audit).toMatchObject({
      role: 'operator',
      method: 'POST',
      route: '/api/v1/jobs',
      params: { body: { task: 'fetch' } },
    })
  })

  it.each([
    ['from', { from: 400 }, 'from is 400 and to is 399'],
    ['from', { from: -1 }, 'from is -1;'],
    ['to', { to: 1e300 }, 'to is 1e+300'],
    ['batchSize', { batchSize: 0 }, 'batchSize is 0;'],
    ['batchSize', { to: 1e9, batchSize: 1 }, 'at most 1000000 are allowed'],
    ['minBatch', { minBatch: 1.5 }, 'minBatch is 1.5'],
    ['window', { window: 10_001 }, 'window is 10001;'],
    ['queue', { queue: 'A B' }, 'queue is "A B"'],
    ['priority', { priority: 0.5 }, 'priority is 0.5'],
    ['maxAttempts', { maxAttempts: -1 }, 'maxAttempts is -1'],
    ['sink', { sink: 'floppy' }, 'must be one of postgres, ndjson'],
    ['args', { args: [1] }, ''],
    ['task', { task: '' }, ''],
    ['chain', { chain: 'nowhere' }, "chain 'nowhere' is not on record; there is dev"],
    ['speed', { speed: 1 }, 'is not known'],
  ])('refuses %s in %j', async (field, change, message) => {
    const { status, body } = await ask('POST', '', { ...request, ...change })
    expect(status).toBe(400)
    expect(body.errors.map((one: { field: string }) => one.field)).toContain(field)
    expect(JSON.stringify(body.errors)).toContain(JSON.stringify(message).slice(1, -1))
    expect((await ask('GET', '')).body.jobs).toEqual([])
  })

  it('wants the chain named when there are several', async () => {
    onTestFinished(async () => void (await sql(`delete from blockmill.chain where id = 'other'`)))
    await sql(`insert into blockmill.chain (id, genesis_hash) values ('other', '0x1')`)
    expect((await ask('POST', '', request)).body.errors).toEqual([
      { field: 'chain', message: 'chain is needed; there is dev, other' },
    ])
    expect(await ask('POST', '', { ...request, chain: 'other' })).toMatchObject({
      status: 201,
      body: { chain: 'other' },
    })
  })
})

describe('lists', () => {
  it('have jobs the newest first, by state and task, a page at a time', async () => {
    const ids = [await created(), await created({ task: 'other' }), await created()]
    await setState(ids[0] ?? '', 'completed')
    const idsOf = async (query: string): Promise<string[]> =>
      (await ask('GET', query)).body.jobs.map((job: { id: string }) => job.id)
    expect(await idsOf('')).toEqual(ids.toReversed())
    expect(await idsOf('?state=pending&state=running')).toEqual([ids[2], ids[1]])
    expect(await idsOf('?task=other')).toEqual([ids[1]])
    expect(await idsOf('?chain=nowhere')).toEqual([])
    const { body: first } = await ask('GET', '?limit=2')
    expect(first.jobs).toHaveLength(2)
    const { body: second } = await ask('GET', `?limit=2&cursor=${first.nextCursor}`)
    expect(second).toMatchObject({ jobs: [{ id: ids[0] }] })
    expect(second.nextCursor).toBeUndefined()
  })

  it('have the batches of a job by their blocks, a page at a time, and its missing blocks', async () => {
    const id = await created()
    await addBatch(id, 100, 149, 'split')
    await addBatch(id, 100, 124, [{ block: 100 }])
    await addBatch(id, 125, 149, 'failed')
    await addBatch(id, 150, 199, 'failed')
    await addBatch(id, 200, 249, 'queued')
    await setState(id, 'completed_with_failures')
    const { body: first } = await ask('GET', `/${id}/batches?limit=3`)
    expect(first.batches).toMatchObject([
      { from: 100, to: 124, id: 'batch_0001_100_124', state: 'succeeded', rows: 1, tries: 1 },
      { from: 125, to: 149, state: 'failed', rows: null },
      { from: 150, state: 'failed' },
    ])
    const { body: second } = await ask('GET', `/${id}/batches?limit=3&cursor=${first.nextCursor}`)
    expect(second.batches).toMatchObject([{ from: 200, state: 'queued' }])
    expect(second.nextCursor).toBeUndefined()
    expect((await ask('GET', `/${id}/batches?state=failed`)).body.batches).toHaveLength(2)
    expect((await ask('GET', `/${id}`)).body).toMatchObject({
      done: 25,
      rows: 1,
      batches: { split: 1, failed: 2, succeeded: 1, queued: 1 },
      missing: { blocks: 75, ranges: [{ from: 125, to: 199 }], isCut: false },
    })
  })

  it.each(['?limit=0', '?state=lost', '?cursor=last', '?colour=red'])('refuse %s', async (query) => {
    const field = /\w+/.exec(query)?.[0]
    for (const path of [query, `/${NOBODY}/batches${query}`]) {
      const { status, body } = await ask('GET', path)
      expect({ status, fields: body.errors[0].field.split('.')[0] }).toEqual({ status: 400, fields: field })
    }
  })
})

describe('orders', () => {
  it('pause, resume and cancel a job, do no harm when given twice, and are audited', async () => {
    const id = await created()
    for (const [order, state] of [
      ['pause', 'paused'],
      ['resume', 'pending'],
      ['cancel', 'cancelled'],
    ]) {
      expect(await ask('POST', `/${id}/${order}`)).toMatchObject({ status: 200, body: { id, state } })
      expect(await ask('POST', `/${id}/${order}`)).toMatchObject({ status: 200, body: { id, state } })
    }
    const audits = await sql('select route from blockmill.audit order by id')
    expect(audits).toHaveLength(7)
    expect(audits.at(-1)).toMatchObject({ route: '/api/v1/jobs/:id/cancel' })
  })

  it('run failed batches anew', async () => {
    const id = await created()
    await addBatch(id, 100, 199, 'failed')
    await setState(id, 'completed_with_failures')
    expect(await ask('POST', `/${id}/retry-failed`)).toMatchObject({
      status: 200,
      body: { state: 'pending', batches: { pending: 1, failed: 0 } },
    })
  })

  it.each([
    ['resume', 'completed'],
    ['pause', 'cancelled'],
    ['cancel', 'completed'],
    ['retry-failed', 'completed'],
    ['retry-failed', 'cancelled'],
  ])('refuse to %s a job that is %s', async (order, state) => {
    const id = await created()
    await setState(id, state)
    expect(await ask('POST', `/${id}/${order}`)).toMatchObject({
      status: 409,
      body: { title: 'Conflict', detail: expect.stringContaining(`is ${state}: only one that is`) as string },
    })
    expect((await ask('GET', `/${id}`)).body.state).toBe(state)
  })
})

describe('DELETE /jobs/:id', () => {
  it('deletes a job that is over, with its results', async () => {
    const id = await completed()
    expect(await ask('DELETE', `/${id}`)).toMatchObject({ status: 204, body: '' })
    expect(await ask('GET', `/${id}`)).toMatchObject({ status: 404 })
    const [left] = await sql<{ count: number }>('select count(*) as count from blockmill.range_result')
    expect(left?.count).toBe(0)
  })

  it('refuses one that is not over', async () => {
    const id = await created()
    expect(await ask('DELETE', `/${id}`)).toMatchObject({ status: 409 })
    expect(await ask('GET', `/${id}`)).toMatchObject({ status: 200 })
  })
})

const ROUTES = [
  ['GET', ''],
  ['GET', '/batches'],
  ['GET', '/results'],
  ['POST', '/pause'],
  ['POST', '/resume'],
  ['POST', '/cancel'],
  ['POST', '/retry-failed'],
  ['DELETE', ''],
] as const

describe.each(ROUTES)('%s /jobs/:id%s', (method, path) => {
  it('answers 404 for a job that is not on record, and 400 for no id', async () => {
    expect(await ask(method, `/${NOBODY}${path}`)).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining(NOBODY) as string },
    })
    expect(await ask(method, `/seventeen${path}`)).toMatchObject({ status: 400, body: { errors: [{ field: 'id' }] } })
  })

  it('lets viewers read, and nothing else', async () => {
    const id = await completed()
    const { status } = await ask(method, `/${id}${path}`, undefined, VIEWER)
    expect(status).toBe(method === 'GET' ? 200 : 403)
    expect(await ask(method, `/${id}${path}`, undefined, 'wrong-token-0123456789')).toMatchObject({ status: 401 })
  })
})

it('viewers start no jobs', async () => {
  expect(await ask('POST', '', request, VIEWER)).toMatchObject({ status: 403 })
})

describe('GET /jobs/:id/results', () => {
  it('sends the rows in the order of blocks, in each format', async () => {
    const id = await completed()
    const ndjson = await ask('GET', `/${id}/results`, undefined, VIEWER)
    expect(ndjson).toMatchObject({ status: 200, type: 'application/x-ndjson' })
    expect(ndjson.headers['content-disposition']).toBe(`attachment; filename="${id}.ndjson"`)
    expect(ndjson.body).toBe(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const csv = await ask('GET', `/${id}/results?format=csv`)
    expect(csv.type).toBe('text/csv; charset=utf-8')
    expect(csv.body).toMatch(/^block,hash,value\r\n100,0x0,100000000000000000000\r\n/)
    expect(csv.body.split('\r\n')).toHaveLength(302)
    const parquet = await ask('GET', `/${id}/results?format=parquet`)
    expect(parquet.type).toBe('application/vnd.apache.parquet')
    expect(parquet.raw.subarray(0, 4).toString() + parquet.raw.subarray(-4).toString()).toBe('PAR1PAR1')
  })

  it('sends the columns that are wanted, and escapes formulas when told to', async () => {
    const id = await completed([{ block: 100, text: '=1+1' }])
    const { body } = await ask('GET', `/${id}/results?format=csv&columns=text&columns=block&escapeFormulas=true`)
    expect(body).toBe("text,block\r\n'=1+1,100\r\n")
    expect(await ask('GET', `/${id}/results?format=csv&columns=txet`)).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining('No row has a column "txet"') as string },
    })
  })

  it('is empty for a job without rows', async () => {
    const id = await completed([])
    expect(await ask('GET', `/${id}/results`)).toMatchObject({ status: 200, body: '' })
  })

  it.each(['?format=xls', '?columns=', '?allowPartial=perhaps'])('refuses %s', async (query) => {
    const { status, body } = await ask('GET', `/${NOBODY}/results${query}`)
    expect({ status, field: body.errors[0].field.split('.')[0] }).toEqual({
      status: 400,
      field: /\w+/.exec(query)?.[0],
    })
  })

  it.each(['pending', 'paused', 'completed_with_failures', 'cancelled'])(
    'refuses a job that is %s, unless what there is will do',
    async (state) => {
      const id = await completed()
      await setState(id, state)
      expect(await ask('GET', `/${id}/results`)).toMatchObject({
        status: 409,
        body: { detail: expect.stringContaining(`is ${state}: its results are not complete`) as string },
      })
      expect((await ask('GET', `/${id}/results?allowPartial=true`)).body.split('\n')).toHaveLength(301)
    },
  )

  it('breaks the answer off when rows turn out to be gone', async () => {
    const id = await largeJob()
    await sql(
      `delete from blockmill.range_result where task_id =
         (select task_id from blockmill.range_batch where job = $1 order by from_block desc limit 1)`,
      [id],
    )
    const answer = await fetch(`${origin}/api/v1/jobs/${id}/results`, {
      headers: { authorization: `Bearer ${VIEWER}` },
    })
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow('terminated')
  })

  it('sends no faster than the client reads, four at a time, and stops for those that leave', async () => {
    const id = await largeJob()
    const open = () => {
      const headers = { authorization: `Bearer ${VIEWER}` }
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const client = httpRequest(`${origin}/api/v1/jobs/${id}/results`, { headers }, () =>
        resolve(() => client.destroy()),
      )
      client.on('error', reject).end()
      return promise
    }
    const leave = await Promise.all([open(), open(), open(), open()])
    expect(await ask('GET', `/${id}/results`)).toMatchObject({ status: 503, headers: { 'retry-after': '10' } })
    for (const one of leave) one()
    await waitFor(async () => (await ask('GET', `/${id}/results?format=csv&columns=text`)).status === 200, {
      describe: 'the places of those that left to be free',
    })
  })
})

import { connect } from 'node:net'
import { readFileSync } from 'node:fs'

import { createLogger, createMetrics, type Database, openDatabase } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testDatabase } from '@blockmill/testkit/vitest'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { Window } from 'happy-dom'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createApp } from '../src/http/app.ts'
import { messageRecords } from '../src/recorder/message-records.ts'
import { foldBatch } from '../src/recorder/records.ts'
import { storeRecords } from '../src/recorder/store-records.ts'
import { createPruner } from '../src/retention/pruner.ts'
import { createAccess } from '../src/security/access.ts'
import { createAuditLog } from '../src/security/audit-log.ts'
import { pruneAudit } from '../src/security/prune-audit.ts'
import { createStatistics } from '../src/statistics/statistics.ts'
import { eventBase, eventMessage, idOfBlock, type Message, succeeded, taskMessage } from './message-arbitraries.ts'
import { migrateTemplate } from './migrate-template.ts'

const VIEWER = 'viewer-token-0123456789'
const OPERATOR = 'operator-token-0123456789'
const WRONG = 'wrong-token-0123456789'
const MARKUP = '<img src=x onerror=alert(1)></td><script>alert(2)</script>"\'>&amp;'
const REQUEST_TIMEOUT_MS = 1_000

const lines: string[] = []
const logger = createLogger({ service: 'monitor', level: 'trace', destination: { write: (line) => lines.push(line) } })
const now = () => new Date('2026-01-01T00:01:00.000Z')
const { url } = testDatabase({ migrate: migrateTemplate })

let database: Database
let app: FastifyInstance
let port: number

async function record(...messages: readonly Message[]): Promise<void> {
  await storeRecords(database, foldBatch(messages.map(({ type, body }) => messageRecords(type, body))))
}

async function create(tokens: Parameters<typeof createAccess>[0], more: object = {}): Promise<FastifyInstance> {
  const statistics = createStatistics({ database, logger, now })
  await statistics.start()
  await statistics.stop()
  const metrics = createMetrics('monitor')
  const ports = { database, logger, metrics, statistics, now, notReadyBecause: () => [] }
  return createApp({ ...ports, access: createAccess(tokens), requestTimeoutMs: REQUEST_TIMEOUT_MS, ...more })
}

beforeAll(async () => {
  database = openDatabase({ url, logger })
  await record(
    taskMessage([1, 2]),
    eventMessage([
      succeeded(1),
      {
        type: 'failed',
        ...eventBase(2, { attempt: 1 }),
        startedAt: '2026-01-01T00:00:04.000Z',
        error: { name: MARKUP, message: MARKUP, stack: MARKUP, classes: ['Error'] },
        reason: 'exhausted',
      },
    ]),
  )
  // What workers and tasks say reaches the record unchecked: names are set there, whatever definitions allow.
  await database.query(`update blockmill.task set name = $1, args = $2, result = $2, worker = $1`, [
    MARKUP,
    JSON.stringify({ [MARKUP]: MARKUP }),
  ])
  await database.query(
    `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
     values ('dev', 'snapshot', 'a', 'latest', '{}', 0, '{[0,10)}'), ($1, $1, 'a', 'latest', $2, 0, '{[0,10)}')`,
    [MARKUP, JSON.stringify({ [MARKUP]: MARKUP })],
  )
  app = await create({ viewerTokens: [VIEWER], operatorTokens: [OPERATOR] })
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
})
afterAll(async () => {
  await app.close()
  await database.close()
})
beforeEach(() => {
  lines.length = 0
})
afterEach(async () => {
  // Whatever was tried, it still answers, and no secret is in its log.
  const { statusCode } = await app.inject({ url: '/api/v1/tasks', headers: bearer(VIEWER) })
  expect(statusCode).toBe(200)
  for (const secret of [VIEWER, OPERATOR, WRONG]) expect(lines.join('')).not.toContain(secret)
})

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const basic = (user: string, token: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`,
})
const backfill = { task: 'snapshot', from: 1, to: 2 }

async function ask(options: InjectOptions, to = app) {
  const response = await to.inject(options)
  const type = String(response.headers['content-type'])
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are checked by what is expected of them
  const body: any = /json/.test(type) && response.body !== '' ? response.json() : undefined
  return { status: response.statusCode, headers: response.headers, type, text: response.body, body }
}

const get = (path: string, headers: object = bearer(VIEWER)) => ask({ url: path, headers: { ...headers } })
const post = (path: string, payload: InjectOptions['payload'], headers: object = {}) =>
  ask({
    method: 'POST',
    url: path,
    ...(payload !== undefined && { payload }),
    headers: { ...bearer(OPERATOR), ...headers },
  })

async function expectProblem(answer: ReturnType<typeof ask>, status: number | readonly number[], detail = '') {
  const { status: given, type, body, headers } = await answer
  expect([status].flat()).toContain(given)
  expect(type).toContain('application/problem+json')
  expect(body).toMatchObject({ status: given, title: expect.any(String) as string })
  expect(body.detail).toContain(detail)
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    'content-security-policy': expect.stringContaining("frame-ancestors 'none'") as string,
  })
  return { body, headers }
}

/** Sends bytes as they are, and resolves with all that comes back until the connection ends. */
function raw(...parts: readonly (string | Buffer)[]): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  let text = ''
  const socket = connect(port, '127.0.0.1', () => {
    for (const part of parts) socket.write(part)
  })
  socket.setEncoding('latin1')
  socket.on('data', (data: string) => (text += data))
  // What was answered counts, also when the rest of what was sent is refused.
  socket.on('error', () => undefined)
  socket.setTimeout(30_000, () => reject(new Error(`no end of the answer: ${text}`)))
  socket.on('close', () => {
    socket.setTimeout(0)
    resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text })
  })
  return promise
}

const head = (first: string, ...headers: readonly string[]) =>
  [first, 'Host: localhost', `Authorization: Bearer ${OPERATOR}`, 'Connection: close', ...headers, '', ''].join('\r\n')

const audits = () =>
  database.query<{ id: number; role: string; actor: string; status: number | null; params: object; route: string }>(
    'select * from blockmill.audit order by id',
  )

describe('who comes in', () => {
  it.each(['/', '/app.js', '/api/v1/tasks', '/api/v1/audit', '/metrics', '/openapi.json', '/nothing'])(
    'needs a token for %s',
    async (path) => {
      const { headers } = await expectProblem(get(path, {}), 401)
      expect(headers['www-authenticate']).toEqual([
        'Basic realm="Blockmill", charset="UTF-8"',
        'Bearer realm="Blockmill"',
      ])
    },
  )

  it('needs none to see whether the monitor works, however the path is written', async () => {
    for (const path of ['/health/live', '/health/ready', '/health/%6cive']) {
      expect(await get(path, {})).toMatchObject({ status: 200 })
    }
    for (const path of ['/health/live/../../api/v1/tasks', '/health/live%2f..%2f..%2fapi/v1/tasks', '//health/live']) {
      await expectProblem(get(path, {}), 401)
    }
  })

  it.each([
    bearer(WRONG),
    basic('operator', WRONG),
    basic('viewer', OPERATOR),
    basic('', VIEWER),
    { authorization: VIEWER },
    { authorization: 'Bearer' },
    { authorization: '' },
    { cookie: `token=${VIEWER}` },
    { 'x-forwarded-for': '127.0.0.1' },
  ])('does not let %j in', async (headers) => {
    await expectProblem(get('/api/v1/tasks', headers), 401)
  })

  it('takes no token from an address, where logs and histories would keep it', async () => {
    await expectProblem(get(`/api/v1/tasks?token=${VIEWER}&access_token=${VIEWER}`, {}), 401)
    await expectProblem(ask({ url: `http://viewer:${VIEWER}@localhost/api/v1/tasks` }), 401)
  })

  it('lets browsers log in with the role as user name', async () => {
    expect(await get('/', basic('viewer', VIEWER))).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' })
    expect(await get('/metrics', basic('operator', OPERATOR))).toMatchObject({ status: 200 })
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE'] as const)('lets a viewer read, and not %s', async (method) => {
    const answer = ask({ method, url: '/api/v1/backfills', payload: backfill, headers: bearer(VIEWER) })
    await expectProblem(answer, 403, 'for operators')
    await expectProblem(get('/api/v1/audit'), 403, 'for operators')
    expect(await ask({ method: 'HEAD', url: '/api/v1/audit', headers: bearer(VIEWER) })).toMatchObject({ status: 403 })
  })

  it('holds for every route that there is', async () => {
    const { body } = await get('/openapi.json')
    const routes = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ path: path.replace(/\{\w+\}/g, idOfBlock(1)), method })),
    )
    expect(routes.length).toBeGreaterThan(10)
    for (const { path, method } of routes.filter((one) => !one.path.startsWith('/health/'))) {
      const to = { url: path, method: method.toUpperCase() as 'GET' }
      await expectProblem(ask(to), 401)
      if (method === 'get') continue
      await expectProblem(ask({ ...to, headers: bearer(VIEWER) }), 403)
      const form = { ...basic('operator', OPERATOR), 'content-type': 'application/x-www-form-urlencoded' }
      await expectProblem(ask({ ...to, headers: form }), 415)
      const origin = 'https://evil.example'
      await expectProblem(ask({ ...to, headers: { ...basic('operator', OPERATOR), origin } }), 403)
    }
  })

  it('makes an address wait that guesses, and no other', async () => {
    const refused: string[] = []
    const loginMetrics = { refused: (reason: string) => void refused.push(reason) }
    const guarded = await create({ operatorTokens: [OPERATOR] }, { trustedProxies: ['127.0.0.1'], loginMetrics })
    const from = (address: string, token: string) =>
      ask({ url: '/api/v1/tasks', headers: { ...bearer(token), 'x-forwarded-for': address } }, guarded)
    try {
      for (let n = 0; n < 20; n += 1) expect(await from('10.0.0.1', `${WRONG}${n}`)).toMatchObject({ status: 401 })
      const { headers } = await expectProblem(from('10.0.0.1', OPERATOR), 429, 'Try again in 60 seconds')
      expect(headers['retry-after']).toBe('60')
      expect(await from('10.0.0.2', OPERATOR)).toMatchObject({ status: 200 })
      // Who chooses what a proxy passes on does not choose the address that counts.
      await expectProblem(from('10.0.0.9, 10.0.0.1', OPERATOR), 429)
      await expectProblem(ask({ url: '/api/v1/tasks' }, guarded), 401)
      expect(refused).toEqual([...Array.from({ length: 20 }, () => 'wrong'), 'too_many', 'too_many'])
    } finally {
      await guarded.close()
    }
  })

  it('believes no proxy unless it was told to', async () => {
    await post('/api/v1/backfills', backfill, { 'x-forwarded-for': '10.6.6.6' })
    expect((await audits()).at(-1)).toMatchObject({ address: '127.0.0.1' })
  })
})

describe('the audit log', () => {
  it('has every write with who, when and what came of it, and none that strangers tried', async () => {
    await database.query('truncate blockmill.audit')
    await post('/api/v1/backfills', { ...backfill, args: { apiKey: 'hidden', node: 'wss://a.b/hidden' } })
    await ask({ method: 'POST', url: '/api/v1/backfills', payload: backfill, headers: bearer(VIEWER) })
    await post('/api/v1/backfills', { ...backfill, from: 'hidden' })
    await post('/api/v1/backfills', backfill, { origin: 'https://evil.example' })
    await post('/api/v1/nothing', {})
    await ask({ method: 'POST', url: '/api/v1/backfills', payload: backfill, headers: bearer(WRONG) })
    await get('/api/v1/tasks')
    const { body } = await get('/api/v1/audit?limit=3', bearer(OPERATOR))
    const second = await get(`/api/v1/audit?cursor=${body.nextCursor}`, bearer(OPERATOR))
    const entries = [...body.entries, ...second.body.entries]
    expect(entries.map(({ role, status }) => [role, status])).toEqual([
      ['operator', 403],
      ['operator', 400],
      ['viewer', 403],
      ['operator', 201],
    ])
    expect(entries.at(-1)).toMatchObject({
      actor: expect.stringMatching(/^[0-9a-f]{8}$/) as string,
      address: '127.0.0.1',
      method: 'POST',
      route: '/api/v1/backfills',
      params: { body: { task: 'snapshot', from: 1, args: { apiKey: '***', node: 'wss://a.b/…' } } },
    })
    expect(second.body).not.toHaveProperty('nextCursor')
    for (const secret of [VIEWER, OPERATOR, WRONG]) expect(JSON.stringify(await audits())).not.toContain(secret)
    expect((await get('/api/v1/audit?role=viewer', bearer(OPERATOR))).body.entries).toHaveLength(1)
  })

  it('shows what was ordered from the command line as well', async () => {
    const [role, method] = ['operator', 'CLI'] as const
    const order = { role, actor: 'command line', address: 'anna@bastion', method, route: 'queues purge', params: {} }
    await createAuditLog(database).write(order, 0)
    const { body } = await get('/api/v1/audit?actor=command%20line', bearer(OPERATOR))
    expect(body.entries).toMatchObject([{ ...order, status: 0 }])
  })

  it('has a write before it is done, and does nothing that it cannot put on record', async () => {
    const before = await database.query('select id from blockmill.backfill')
    await database.query('alter table blockmill.audit rename to audit_away')
    try {
      await expectProblem(post('/api/v1/backfills', backfill), [500, 503])
    } finally {
      await database.query('alter table blockmill.audit_away rename to audit')
    }
    expect(await database.query('select id from blockmill.backfill')).toEqual(before)
  })

  it('forgets what is older than 90 days, a batch at a time', async () => {
    await database.query('truncate blockmill.audit')
    await database.query(
      `insert into blockmill.audit (at, role, actor, address, method, route, params)
       select $1::timestamptz - make_interval(days => n), 'operator', 'local', '::1', 'POST', '/', '{}' from generate_series(86, 95) n`,
      [now()],
    )
    const stopped = AbortSignal.abort()
    expect(await pruneAudit(database, { now: now(), signal: stopped })).toBe(0)
    const { signal } = new AbortController()
    expect(await pruneAudit(database, { now: now(), signal, batchRows: 2 })).toBe(5)
    expect(await audits()).toHaveLength(5)

    const later = () => new Date(now().getTime() + 86_400_000)
    const pruner = createPruner({ database, logger, metrics: createMetrics('monitor'), retentionDays: 7, now: later })
    pruner.start()
    await waitFor(async () => (await audits()).length === 4, { describe: 'the oldest entry to be deleted' })
    await pruner.stop()
  })
})

describe('a page of another origin', () => {
  const count = async () => (await database.query('select 1 from blockmill.backfill')).length

  it.each([
    ['with its origin', { origin: 'https://evil.example' }, 403],
    ['with no origin to tell', { origin: 'null' }, 403],
    ['with a name that begins alike', { origin: 'http://localhost.evil.example' }, 403],
    ['of another port', { origin: 'http://localhost:8081', host: 'localhost:8080' }, 403],
    ['by fetch without an origin', { 'sec-fetch-site': 'cross-site' }, 403],
    ['of a sister domain', { 'sec-fetch-site': 'same-site' }, 403],
    ['by a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['by a form of several parts', { 'content-type': 'multipart/form-data; boundary=x' }, 415],
    ['by a form of text', { 'content-type': 'text/plain' }, 415],
    ['by what looks like JSON', { 'content-type': 'text/plain; application/json' }, 415],
  ])('changes nothing, %s, although the browser sends the password', async (_how, headers, status) => {
    const before = await count()
    const credentials = basic('operator', OPERATOR)
    const answer = post('/api/v1/backfills', JSON.stringify(backfill), {
      'content-type': 'application/json',
      ...credentials,
      ...headers,
    })
    await expectProblem(answer, status)
    await expectProblem(
      post(`/api/v1/backfills/${idOfBlock(1)}/pause`, undefined, { ...credentials, ...headers }),
      status,
    )
    expect(await count()).toBe(before)
  })

  it('is told no answer to a question about what it may do', async () => {
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    const answer = await ask({ method: 'OPTIONS', url: '/api/v1/backfills', headers })
    expect(answer.status).toBe(401)
    const known = await ask({
      method: 'OPTIONS',
      url: '/api/v1/backfills',
      headers: { ...headers, ...bearer(OPERATOR) },
    })
    expect(known).toMatchObject({ status: 405, headers: { allow: 'POST, GET, HEAD' } })
    for (const one of [answer, known]) expect(Object.keys(one.headers).join()).not.toContain('access-control')
  })

  it.each([
    { origin: 'http://localhost:8080', host: 'LOCALHOST:8080', 'sec-fetch-site': 'same-origin' },
    { origin: 'https://monitor.example', host: 'monitor.example:443' },
    {},
  ])('is not what %j comes from', async (headers) => {
    expect(await post('/api/v1/backfills', backfill, headers)).toMatchObject({ status: 201 })
  })
})

describe('text that is code elsewhere', () => {
  const payloads = [
    "' or 1=1 --",
    "'; drop table blockmill.task; --",
    '$1',
    '{"$ne":null}',
    '1) or (1=1',
    '\\',
    '%',
    '_',
  ]

  it('is a value in filters, and breaks none', async () => {
    for (const payload of payloads) {
      const value = encodeURIComponent(payload)
      const filters = await get(`/api/v1/tasks?name=${value}&queue=${value}&chain=${value}`)
      expect(filters).toMatchObject({ status: 200, body: { tasks: [] } })
      await expectProblem(get(`/api/v1/coverage?task=${value}`), 404)
      for (const field of ['order', 'cursor', 'status', 'limit', 'blockFrom', 'scheduledFrom']) {
        const { body } = await expectProblem(get(`/api/v1/tasks?${field}=${value}`), 400)
        expect(body.errors[0].field).toMatch(new RegExp(`^${field}`))
      }
      await expectProblem(get(`/api/v1/gaps?cursor=${value}`), 400)
      await expectProblem(get(`/api/v1/tasks/${value}`), [400, 404])
      await expectProblem(get(`/api/v1/audit?actor=${value}`, bearer(OPERATOR)), 400)
      await expectProblem(get(`/api/v1/backfills?state=${value}`), 400)
      await expectProblem(post('/api/v1/backfills', { ...backfill, task: payload }), 404)
    }
    expect((await get('/api/v1/tasks')).body.tasks).toHaveLength(2)
  })

  it.each([
    'name[$ne]=x',
    'name[]=x&name[]=y',
    'name=x&name=y',
    'status[0]=failed',
    '__proto__[a]=1',
    'constructor.prototype.a=1',
  ])('is no operator in %s', async (query) => {
    await expectProblem(get(`/api/v1/tasks?${query}`), 400)
  })

  it('stays text in every answer, which no browser takes for a page', async () => {
    const paths = [
      '/api/v1/tasks',
      `/api/v1/tasks/${idOfBlock(2)}`,
      '/api/v1/coverage',
      '/api/v1/gaps',
      '/api/v1/workers',
    ]
    for (const path of [
      ...paths,
      '/api/v1/stats',
      '/openapi.json',
      `/api/v1/tasks?name=${encodeURIComponent(MARKUP)}`,
    ]) {
      const { status, type, headers } = await get(path)
      expect({ path, status, type }).toEqual({ path, status: 200, type: 'application/json; charset=utf-8' })
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['content-security-policy']).toContain("default-src 'none'")
    }
    const { body } = await get(`/api/v1/tasks/${idOfBlock(2)}`)
    expect(body).toMatchObject({ name: MARKUP, args: { [MARKUP]: MARKUP }, error: { message: MARKUP } })
    for (const path of [`/api/v1/${encodeURIComponent(MARKUP)}`, `/api/v1/tasks?${encodeURIComponent(MARKUP)}=1`]) {
      await expectProblem(get(path), [400, 404])
    }
  })
})

describe('what is no request that can be answered', () => {
  const cases: readonly (readonly [name: string, options: InjectOptions, status: number | readonly number[]])[] = [
    ['a path out of the folder', { url: '/../package.json' }, 404],
    ['an encoded one', { url: '/%2e%2e%2fpackage.json' }, 404],
    ['a doubly encoded one', { url: '/%252e%252e%252fpackage.json' }, 404],
    ['one with backslashes', { url: '/..%5c..%5cpackage.json' }, 404],
    ['one below a file', { url: '/app.js/..%2f..%2fpackage.json' }, 404],
    ['the folder of the page', { url: '/assets/app.js' }, 404],
    ['a file of the system', { url: '/etc/passwd' }, 404],
    ['a NUL in a path', { url: '/app.js%00.html' }, 400],
    ['a NUL in a filter', { url: '/api/v1/tasks?name=%00' }, 400],
    ['broken percent encoding', { url: '/api/v1/tasks/%E0%A4%A' }, 400],
    ['UTF-8 that is none', { url: '/api/v1/tasks/%ff%fe' }, 400],
    ['half a surrogate pair', { url: '/api/v1/tasks/%ED%A0%80' }, 400],
    ['an address too long', { url: `/api/v1/tasks?name=${'x'.repeat(9_000)}` }, 414],
    ['too many parameters', { url: `/api/v1/tasks?${'status=failed&'.repeat(101)}` }, 400],
    ['a path segment too long', { url: `/api/v1/tasks/${'x'.repeat(500)}` }, [400, 404, 414]],
    ['a method that is not there', { url: '/api/v1/tasks', method: 'DELETE' }, 405],
    ['a write to a page', { url: '/', method: 'POST' }, 405],
  ]
  it.each(cases)('is %s', async (_name, options, status) => {
    await expectProblem(ask({ ...options, headers: bearer(OPERATOR) }), status)
  })

  it('is one whose statement takes too long, and the rest goes on', async () => {
    const hasty = openDatabase({ url, logger, queryTimeoutMs: 300 })
    const other = await create({ viewerTokens: [VIEWER] }, { database: hasty })
    try {
      await database.withTransaction(async (query) => {
        await query('lock table blockmill.task in access exclusive mode')
        await expectProblem(ask({ url: '/api/v1/tasks', headers: bearer(VIEWER) }, other), 503, 'does not answer')
      })
      await expect
        .poll(async () => (await ask({ url: '/api/v1/tasks', headers: bearer(VIEWER) }, other)).status)
        .toBe(200)
    } finally {
      await other.close()
      await hasty.close()
    }
  })

  it('is asked for without a body by HEAD, and has the same headers', async () => {
    const { status, text, headers } = await ask({ method: 'HEAD', url: '/api/v1/tasks', headers: bearer(VIEWER) })
    expect({ status, text }).toEqual({ status: 200, text: '' })
    expect(headers['content-type']).toContain('application/json')
  })

  const args = (text: string) => `{"task":"snapshot","from":1,"to":2,"args":${text}}`
  it.each([
    ['ends too early', '{"task":', 400, 'not valid JSON'],
    ['is empty', '', 400, 'empty'],
    ['is null', 'null', 400, 'request'],
    ['is a list', '[]', 400, 'request'],
    ['is a text', '"\u{feff}"', 400, 'request'],
    ['names a prototype', '{"__proto__":{"polluted":1},"task":"snapshot","from":1,"to":2}', 400, '__proto__'],
    ['names one further in', args('{"__proto__":{"polluted":1}}'), 400, '__proto__'],
    ['names one with escapes', args('{"\\u005f_proto__":{"polluted":1}}'), 400, '__proto__'],
    ['names one by its constructor', args('{"constructor":{"prototype":{"polluted":1}}}'), 400, 'constructor'],
    ['has a NUL', args('{"a":"\\u0000"}'), 400, 'NUL'],
    ['has half a surrogate pair', args('{"\\ud800":1}'), 400, 'surrogate'],
    ['is nested deeply', args(`${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`), 400, 'nested deeper'],
    ['has an infinite number', '{"task":"snapshot","from":1e400,"to":2}', 400, 'from'],
    ['is large', `{"task":"${'x'.repeat(200_000)}"}`, 413, 'large'],
  ])('has a body that %s', async (_name, payload, status, detail) => {
    await expectProblem(post('/api/v1/backfills', payload, { 'content-type': 'application/json' }), status, detail)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('has a body that is not UTF-8, or compressed', async () => {
    const json = { 'content-type': 'application/json' }
    const bytes = Buffer.from('{"task":"\xff\xfe","from":1,"to":2}', 'latin1')
    await expectProblem(post('/api/v1/backfills', bytes, json), [400, 404])
    await expectProblem(post('/api/v1/backfills', bytes, { ...json, 'content-encoding': 'gzip' }), [400, 404, 415])
  })

  it.each([
    ['is no HTTP', ['\u0000\u0001\u0002 nothing\r\n\r\n'], 400],
    ['has headers that are too large', [head('GET /api/v1/tasks HTTP/1.1', `X-Large: ${'x'.repeat(20_000)}`)], 431],
    [
      'has thousands of headers',
      [head('GET / HTTP/1.1', ...Array.from({ length: 3_000 }, (_, n) => `X-${n}: x`))],
      431,
    ],
    ['has a NUL in a header', [head('GET /api/v1/tasks HTTP/1.1', 'X-Nul: a\0b')], 400],
    ['has no host', ['GET /health/nothing HTTP/1.1\r\nConnection: close\r\n\r\n'], 401],
    ['has two lengths', [head('POST / HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2'), 'xx'], 400],
    [
      'hides a second one',
      [head('POST / HTTP/1.1', 'Content-Length: 4', 'Transfer-Encoding: chunked'), '0\r\n\r\n'],
      400,
    ],
    ['has a chunk of no size', [head('POST / HTTP/1.1', 'Transfer-Encoding: chunked'), 'zz\r\n'], [400, 405, 415]],
    ['never ends its headers', ['GET /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nX-Slow: '], 408],
    [
      'never ends its body',
      [head('POST /api/v1/backfills HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 100'), '{"task"'],
      408,
    ],
    [
      'says that its body is huge',
      [head('POST /api/v1/backfills HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 99999999999')],
      413,
    ],
    ['wants to speak another protocol', [head('GET /app.js HTTP/1.1', 'Upgrade: websocket')], 200],
  ])('%s', async (_name, parts, status) => {
    const answer = await raw(...parts)
    expect([status].flat()).toContain(answer.status)
    if (answer.status === 200) return
    expect(answer.text.toLowerCase()).toContain('content-type: application/problem+json')
    expect(answer.text).toContain(`"status":${answer.status}`)
  })
})

describe('without a token', () => {
  it('answers this machine alone, under its own names', async () => {
    const open = await create({})
    try {
      expect(await ask({ url: '/api/v1/audit', headers: { host: 'localhost' } }, open)).toMatchObject({ status: 200 })
      for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.1:8080']) {
        await expectProblem(ask({ url: '/', headers: { host } }, open), 421)
      }
    } finally {
      await open.close()
    }
  })
})

describe('the page', () => {
  const script = readFileSync(new URL('../assets/app.js', import.meta.url), 'utf8')

  it('uses nothing that makes markup or code of text', () => {
    expect(script).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|javascript:|srcdoc/,
    )
  })

  it('shows names, arguments, errors and workers as the text that they are', async () => {
    const window = new Window({ url: 'http://localhost/' })
    try {
      const { document } = window
      document.write((await get('/')).text)
      const elements = () => new Set([...document.querySelectorAll('*')].map(({ tagName }) => tagName))
      const before = elements()
      const page = { fetch: async (path: string) => answerOf(await get(path)), shown: Promise.withResolvers<void>() }
      // The page sleeps when it has shown everything; here it never wakes up.
      const sleep = () => page.shown.resolve()
      const run = new AsyncFunction('document', 'fetch', 'setTimeout', script)
      void run(document, page.fetch, sleep)
      await page.shown.promise
      expect(document.getElementById('connection')?.textContent).toContain('live')
      for (const id of ['coverage', 'failures', 'tasks']) {
        expect(document.getElementById(id)?.textContent).toContain(MARKUP)
      }
      const allowed = [...before, 'TR', 'TD', 'A', 'DIV', 'DT', 'DD']
      for (const element of elements()) expect(allowed).toContain(element)
      expect(document.querySelectorAll('body script, img, [onerror]')).toHaveLength(0)
      for (const { href } of document.querySelectorAll('a')) expect(href).toMatch(/^http:\/\/localhost\//)
    } finally {
      await window.happyDOM.close()
    }
  })
})

// The constructor of asynchronous functions has no name of its own.
const AsyncFunction = (async () => undefined).constructor as new (
  ...parts: string[]
) => (...args: unknown[]) => Promise<void>

const answerOf = ({ status, body }: Awaited<ReturnType<typeof get>>) => ({
  ok: status === 200,
  status,
  json: () => Promise.resolve(body),
})

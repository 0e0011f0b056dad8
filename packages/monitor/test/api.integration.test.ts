import { createSilentLogger } from '@blockmill/core'
import { describe, expect, it, onTestFinished } from 'vitest'

import { createStatistics } from '../src/statistics/statistics.ts'
import { eventBase, eventMessage, heartbeat, idOfBlock, succeeded, taskMessage } from './message-arbitraries.ts'
import { offlineApp } from './offline-app.ts'
import { testApi } from './test-api.ts'

const now = () => new Date('2026-01-01T00:01:00.000Z')
const reasons: string[] = []
const hostile = '<img src=x onerror=alert(1)>\u0000'

const api = testApi(async () => {
  const { database, record } = api
  const blocks = Array.from({ length: 120 }, (_, index) => index)
  await record(
    taskMessage(blocks),
    taskMessage([200], { task: 'other-task', queue: 'high-priority', lane: 'high', chain: 'second' }),
    eventMessage(blocks.slice(0, 100).map((block) => succeeded(block))),
    eventMessage([
      {
        type: 'retrying',
        ...eventBase(100),
        startedAt: '2026-01-01T00:00:01.000Z',
        error: { name: 'Error', message: 'first failure', classes: ['Error'] },
        delayMs: 2_000,
        nextAttemptAt: '2026-01-01T00:00:04.000Z',
      },
      {
        type: 'failed',
        ...eventBase(100, { attempt: 2 }),
        startedAt: '2026-01-01T00:00:04.000Z',
        error: { name: 'Error', message: hostile, stack: 's'.repeat(9_000), classes: ['Error'] },
        reason: 'exhausted',
      },
    ]),
    heartbeat([101], 59),
    heartbeat([], 1, 'worker-b'),
  )
  await database.query(
    `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
     select 'dev', 'test-task', args_hash, 'finalized', args, 0, '{[0,50),[60,120)}' from blockmill.task where id = $1`,
    [idOfBlock(1)],
  )
  const statistics = createStatistics({ database, logger: createSilentLogger(), now })
  await statistics.start()
  await statistics.stop()
  return { statistics, now, notReadyBecause: () => reasons }
})

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await api.app.inject({ url: path, headers: { host: '127.0.0.1:8080', ...headers } })
  return { status: response.statusCode, headers: response.headers, text: response.body, body: json(response.body) }
}

// oxlint-disable-next-line typescript/no-explicit-any -- answers are checked by what is expected of them
function json(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

describe('GET /api/v1/tasks', () => {
  it('pages through all tasks once, newest block first, however many are asked for at a time', async () => {
    const ids: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 20; pages += 1) {
      const { body } = await get(`/api/v1/tasks?limit=17${cursor}`)
      ids.push(...body.tasks.map(({ id }: { id: string }) => id))
      if (body.nextCursor === undefined) break
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(ids).toHaveLength(121)
    expect(ids).toEqual([...new Set(ids)].toSorted().toReversed())
  })

  it.each([
    ['status=failed', 1],
    ['status=failed&status=running', 2],
    ['status=succeeded&limit=1000', 100],
    ['status=scheduled', 19],
    ['queue=high-priority', 1],
    ['chain=second&name=other-task', 1],
    ['name=nothing', 0],
    ['blockFrom=10&blockTo=12', 3],
    ['blockFrom=118', 3],
    ['scheduledFrom=2026-01-01T00:00:00.000Z&limit=1000', 121],
    ['scheduledFrom=2026-01-01T00:00:00.001Z', 0],
    ['finishedFrom=2026-01-01T00:00:02.000Z&finishedTo=2026-01-01T00:00:02.000Z&limit=1000', 101],
    ['order=asc&limit=2&blockTo=1', 2],
  ])('filters by %s', async (query, count) => {
    const { status, body } = await get(`/api/v1/tasks?${query}`)
    expect(status).toBe(200)
    expect(body.tasks).toHaveLength(count)
  })

  it('lists a failed task with the head line of its error, without stack and result', async () => {
    const { body } = await get('/api/v1/tasks?status=failed')
    expect(body.tasks[0]).toMatchObject({
      id: idOfBlock(100),
      name: 'test-task',
      block: 100,
      args: { netuid: 1 },
      attempt: 2,
      maxAttempts: 3,
      reason: 'exhausted',
      finishedAt: '2026-01-01T00:00:02.000Z',
      error: { name: 'Error', message: hostile.replace('\u0000', '\uFFFD') },
    })
    expect(body.tasks[0]).not.toHaveProperty('result')
    expect(JSON.stringify(body).length).toBeLessThan(2_000)
  })

  it.each([
    ['status=lost', 'status.0'],
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=many', 'limit'],
    ['blockFrom=-1', 'blockFrom'],
    ['blockTo=1e400', 'blockTo'],
    ['cursor=1%27%20or%201=1', 'cursor'],
    ['order=id;drop table task', 'order'],
    ['finishedFrom=yesterday', 'finishedFrom'],
    ['stauts=failed', 'stauts'],
    ['name=', 'name'],
  ])('refuses %s with a problem that names the field', async (query, field) => {
    const { status, headers, body } = await get(`/api/v1/tasks?${query}`)
    expect(status).toBe(400)
    expect(headers['content-type']).toContain('application/problem+json')
    expect(body).toMatchObject({ title: 'Bad Request', status: 400, errors: [{ field }] })
  })

  it.each(["' or 1=1 --", "test-task'; drop table blockmill.task; --", '$1', '%', '{}', '\\'])(
    'takes %s for a name that no task has',
    async (name) => {
      const { status, body } = await get(
        `/api/v1/tasks?name=${encodeURIComponent(name)}&queue=${encodeURIComponent(name)}`,
      )
      expect({ status, body }).toEqual({ status: 200, body: { tasks: [] } })
    },
  )
})

describe('GET /api/v1/tasks/:id', () => {
  it('shows a task with its result', async () => {
    const { body } = await get(`/api/v1/tasks/${idOfBlock(5)}`)
    expect(body).toMatchObject({
      status: 'succeeded',
      result: { block: 5 },
      attempts: [{ attempt: 1, outcome: 'succeeded', worker: 'worker-a', startedAt: '2026-01-01T00:00:01.000Z' }],
    })
  })

  it('shows every attempt with its error, worker and delay', async () => {
    const { body } = await get(`/api/v1/tasks/${idOfBlock(100)}`)
    expect(body.error.stack).toHaveLength(9_000)
    expect(body.attempts).toMatchObject([
      { attempt: 1, outcome: 'retrying', delayMs: 2_000, error: { message: 'first failure' }, worker: 'worker-a' },
      { attempt: 2, outcome: 'failed', reason: 'exhausted' },
    ])
  })

  it('shows a running task as running', async () => {
    const { body } = await get(`/api/v1/tasks/${idOfBlock(101)}`)
    expect(body).toMatchObject({ status: 'running', worker: 'worker-a', attempts: [{ outcome: 'running' }] })
  })

  it('answers 404 for an id that is not on record, 400 for what is no id', async () => {
    const unknown = await get(`/api/v1/tasks/${idOfBlock(9_999)}`)
    expect(unknown).toMatchObject({
      status: 404,
      body: { status: 404, detail: expect.stringContaining(idOfBlock(9_999)) },
    })
    expect(unknown.headers['content-type']).toContain('application/problem+json')
    expect(await get('/api/v1/tasks/7')).toMatchObject({ status: 400, body: { errors: [{ field: 'id' }] } })
  })
})

describe('GET /api/v1/stats', () => {
  it('counts tasks by state and by task', async () => {
    const { body } = await get('/api/v1/stats')
    expect(body.totals).toMatchObject({ succeeded: 100, failed: 1, running: 1, scheduled: 19, dead: 0 })
    expect(body.tasks).toMatchObject([
      { chain: 'dev', name: 'test-task', counts: { succeeded: 100 } },
      { chain: 'second', name: 'other-task', counts: { scheduled: 1 } },
    ])
    expect(body.oldestWaiting).toMatchObject({ dueAt: '2026-01-01T00:00:00.000Z', ageSeconds: 60 })
  })
})

describe('GET /api/v1/coverage', () => {
  it('shows evaluated blocks, gaps and what is open', async () => {
    const { body } = await get('/api/v1/coverage')
    expect(body.coverage).toMatchObject([
      {
        chain: 'dev',
        task: 'test-task',
        args: { netuid: 1 },
        head: 'finalized',
        startBlock: 0,
        evaluatedTo: 119,
        evaluatedCount: 110,
        evaluated: {
          ranges: [
            { from: 0, to: 49 },
            { from: 60, to: 119 },
          ],
          isCut: false,
        },
        gapCount: 10,
        gaps: { ranges: [{ from: 50, to: 59 }], isCut: false },
        unfinished: 19,
        failed: 1,
      },
    ])
  })

  it('shows no gap and no end before the first block was evaluated, and bounds what it lists', async () => {
    onTestFinished(async () => {
      await api.database.query(`delete from blockmill.coverage where chain in ('a', 'b')`)
    })
    await api.database.withTransaction(async (query) => {
      const insert = `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)`
      await query(`${insert} values ('a', 'new', 'x', 'latest', '{}', 500, '{}')`)
      await query(
        `${insert} select 'b', 'pattern', 'x', 'latest', '{}', 0, range_agg(int8range(n * 2, n * 2 + 1)) from generate_series(0, 4999) n`,
      )
    })
    const { body } = await get('/api/v1/coverage')
    expect(body.coverage[0]).toMatchObject({
      startBlock: 500,
      evaluatedTo: null,
      evaluatedCount: 0,
      gapCount: 0,
      evaluated: { ranges: [], isCut: false },
    })
    expect(body.coverage[1]).toMatchObject({ evaluatedTo: 9_998, evaluatedCount: 5_000, gapCount: 4_999 })
    expect(body.coverage[1].evaluated).toMatchObject({ isCut: true })
    expect(body.coverage[1].evaluated.ranges).toHaveLength(100)
    expect(body.coverage[1].evaluated.ranges.at(-1)).toEqual({ from: 9_998, to: 9_998 })
    expect(body.coverage[1].gaps.ranges[0]).toEqual({ from: 1, to: 1 })
  })
})

describe('GET /api/v1/workers', () => {
  it('shows what workers run, and a silent one as lost', async () => {
    const { body } = await get('/api/v1/workers')
    expect(body.workers).toMatchObject([
      { name: 'worker-a', state: 'running', queues: ['default'], running: [{ taskId: idOfBlock(101), block: 101 }] },
      { name: 'worker-b', state: 'lost', running: [] },
    ])
  })
})

describe('everything that is served', () => {
  it('lives, and is ready when nothing is missing', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200 })
    expect(await get('/health/ready')).toMatchObject({ status: 200, body: { status: 'ready' } })
    onTestFinished(() => void reasons.pop())
    reasons.push('the broker is not connected')
    expect(await get('/health/ready')).toMatchObject({ status: 503, body: { reasons } })
  })

  it('has metrics and an OpenAPI description of every route of the API', async () => {
    expect((await get('/metrics')).text).toContain('process_cpu_seconds_total')
    const { body } = await get('/openapi.json')
    expect(body.openapi).toBe('3.1.0')
    expect(Object.keys(body.paths).filter((path) => path.startsWith('/api'))).toEqual([
      '/api/v1/tasks',
      '/api/v1/tasks/{id}',
      '/api/v1/stats',
      '/api/v1/stats/timeseries',
      '/api/v1/coverage',
      '/api/v1/gaps',
      '/api/v1/backfills',
      '/api/v1/backfills/{id}',
      '/api/v1/backfills/{id}/pause',
      '/api/v1/backfills/{id}/resume',
      '/api/v1/backfills/{id}/cancel',
      '/api/v1/jobs/{id}/results',
      '/api/v1/jobs',
      '/api/v1/jobs/{id}',
      '/api/v1/jobs/{id}/batches',
      '/api/v1/jobs/{id}/pause',
      '/api/v1/jobs/{id}/resume',
      '/api/v1/jobs/{id}/cancel',
      '/api/v1/jobs/{id}/retry-failed',
      '/api/v1/failures',
      '/api/v1/dead',
      '/api/v1/dead/{id}',
      '/api/v1/dead/{id}/replay',
      '/api/v1/dead/replay',
      '/api/v1/dead/purge',
      '/api/v1/events',
      '/api/v1/tasks/{id}/cancel',
      '/api/v1/tasks/{id}/retry',
      '/api/v1/tasks/actions',
      '/api/v1/operations/{id}',
      '/api/v1/operations/{id}/cancel',
      '/api/v1/workers',
      '/api/v1/workers/{name}/shutdown',
      '/api/v1/workers/{name}/ping',
      '/api/v1/queues',
      '/api/v1/queues/{name}',
      '/api/v1/queues/{name}/pause',
      '/api/v1/queues/{name}/resume',
      '/api/v1/queues/{name}/purge',
      '/api/v1/queues/{name}/move',
      '/api/v1/audit',
    ])
  })

  it('is a page without inline script or style, whose policy allows none', async () => {
    const { text, headers } = await get('/')
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/)
    for (const file of ['/app.js', '/style.css']) expect((await get(file)).status).toBe(200)
    expect((await get('/app.js')).text).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|eval\(/)
  })

  it('answers with a problem where there is nothing', async () => {
    for (const path of ['/nothing', '/api/v1/nothing', '/../package.json', '/%2e%2e/package.json', '/assets/app.js']) {
      expect(await get(path)).toMatchObject({ status: 404, body: { title: 'Not Found', status: 404 } })
    }
  })

  it('refuses requests that were made under a foreign name', async () => {
    for (const host of ['evil.example', '127.0.0.1.evil.example', '10.0.0.7:8080']) {
      expect(await get('/api/v1/tasks', { host })).toMatchObject({ status: 421 })
    }
    for (const host of ['localhost:8080', '[::1]:8080', '127.0.0.2']) {
      expect(await get('/api/v1/stats', { host })).toMatchObject({ status: 200 })
    }
  })

  it('says that the database is away instead of failing', async () => {
    const app = await offlineApp()
    for (const path of ['tasks', `tasks/${idOfBlock(1)}`, 'stats', 'coverage', 'gaps', 'workers']) {
      const response = await app.inject({ url: `/api/v1/${path}`, headers: { host: 'localhost' } })
      expect(response.statusCode).toBe(503)
      expect(response.body).not.toContain('secret')
      expect(response.body).not.toContain('127.0.0.1')
    }
  })
})

describe('a run whose worker was lost', () => {
  const { record } = api
  const outcomeOf = async (block: number) => (await get(`/api/v1/tasks/${idOfBlock(block)}`)).body.attempts[0].outcome

  it('is lost in the history, while the task waits for the broker to deliver it again', async () => {
    expect(await outcomeOf(101)).toBe('running')
    await record(taskMessage([301]), heartbeat([301], 20, 'worker-c'))
    expect(await outcomeOf(301)).toBe('lost')
    // Seen again: it was only out of reach.
    await record(heartbeat([], 45, 'worker-c'))
    expect(await outcomeOf(301)).toBe('running')
  })

  it('is lost when its worker was started anew since', async () => {
    await record(taskMessage([302]), heartbeat([302], 50, 'worker-d'))
    expect(await outcomeOf(302)).toBe('running')
    await api.database.query(`update blockmill.worker set started_at = '2026-01-01T00:00:55Z' where name = 'worker-d'`)
    expect(await outcomeOf(302)).toBe('lost')
  })
})

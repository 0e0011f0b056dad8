import { once } from 'node:events'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'

import { createMetrics, createSilentLogger, type Database, openDatabase } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testDatabase } from '@blockmill/testkit/vitest'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { fastify, type FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { createApp } from '../src/http/app.ts'
import { eventRoutes, type EventRoutesOptions } from '../src/http/event-routes.ts'
import { createEventStream } from '../src/live/event-stream.ts'
import { createLiveHub, LIVE_TYPES } from '../src/live/live-hub.ts'
import { messageRecords } from '../src/recorder/message-records.ts'
import { foldBatch } from '../src/recorder/records.ts'
import { storeRecords } from '../src/recorder/store-records.ts'
import { createStatistics, type Statistics } from '../src/statistics/statistics.ts'
import {
  eventBase,
  eventMessage,
  heartbeat,
  idOfBlock,
  type Message,
  succeeded,
  taskMessage,
} from './message-arbitraries.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const now = () => new Date('2026-01-01T00:00:03.000Z')
const { url } = testDatabase({ migrate: migrateTemplate })

let database: Database
let statistics: Statistics

beforeAll(async () => {
  database = openDatabase({ url, logger })
  statistics = createStatistics({ database, logger, now, intervalMs: 20 })
  await statistics.start()
})
afterAll(async () => {
  await statistics.stop()
  await database.close()
})
afterEach(async () => {
  for (const table of ['task', 'task_attempt', 'worker', 'coverage', 'chain', 'backfill']) {
    await database.query(`delete from blockmill.${table}`)
  }
  // What a test has left would be told to the next.
  await expect.poll(() => Object.values(statistics.latest()?.totals ?? {}).filter((count) => count !== 0)).toEqual([])
})

async function record(...messages: readonly Message[]): Promise<void> {
  await storeRecords(database, foldBatch(messages.map(({ type, body }) => messageRecords(type, body))))
}

/** A monitor's events alone, on an address of its own. */
async function serve(options: Partial<EventRoutesOptions> = {}): Promise<{ app: FastifyInstance; base: string }> {
  const app = fastify({ forceCloseConnections: true }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  await app.register(eventRoutes({ database, statistics, now, intervalMs: 20, ...options }))
  const base = await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => app.close())
  return { app, base }
}

interface Event {
  readonly id: string
  readonly event: string
  // oxlint-disable-next-line typescript/no-explicit-any -- what an event says is checked by what is expected of it
  readonly data: any
}

/** Listens, and gathers what comes. */
async function listen(base: string, query = '', lastEventId?: string) {
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  const response = await fetch(`${base}/events${query}`, {
    signal: abort.signal,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  })
  let text = ''
  let isOver = false
  void (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString()
  })()
    .catch(() => undefined)
    .finally(() => {
      isOver = true
    })
  const events = (): Event[] =>
    text
      .split('\n\n')
      .slice(0, -1)
      .filter((block) => block.startsWith('id: '))
      .map(parse)
  const all = (type: string) => events().filter(({ event }) => event === type)
  return {
    response,
    events,
    all,
    text: () => text,
    isOver: () => isOver,
    stop: () => abort.abort(),
    seen: (type: string) => expect.poll(() => all(type).length).toBeGreaterThan(0),
  }
}

/** Listens as soon as others have gone. */
function listenWhenFree(base: string, query = '') {
  const look = async () => {
    const client = await listen(base, query)
    return client.response.ok && client
  }
  return waitFor(look, { describe: 'room for a listener' })
}

function parse(block: string): Event {
  const [, id = '', event = '', data = ''] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block) ?? []
  return { id, event, data: JSON.parse(data) }
}

describe('GET /api/v1/events', () => {
  it('tells first to load everything, then how things are as they change, whichever monitor stored it', async () => {
    const { base } = await serve()
    const client = await listen(base)
    expect(client.response.headers.get('content-type')).toBe('text/event-stream')
    await client.seen('reset')
    expect(client.events()[0]?.event).toBe('reset')

    await record(
      taskMessage([1, 2, 3]),
      eventMessage([
        succeeded(1),
        {
          type: 'failed',
          ...eventBase(2),
          startedAt: '2026-01-01T00:00:01.000Z',
          reason: 'exhausted',
          error: { name: 'Error', message: '<b>\n\nid: 1', classes: ['Error'] },
        },
      ]),
      heartbeat([3], 2),
    )
    await database.query(`insert into blockmill.chain (id, genesis_hash, latest_number, finalized_number, heads_at)
      values ('dev', '0x00', 9, 7, now())`)
    await database.query(`insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
      values ('dev', 'test-task', 'hash', 'finalized', '{}', 0, '{[0,3),[5,7)}')`)

    await expect
      .poll(() => client.all('tasks').at(-1)?.data.counts[0]?.counts)
      .toMatchObject({ failed: 1, succeeded: 1, running: 1 })
    const ended = client.all('tasks').flatMap(({ data }) => data.ended)
    expect(ended).toHaveLength(2)
    expect(ended).toContainEqual(
      expect.objectContaining({ id: idOfBlock(2), status: 'failed', block: 2, error: '<b>\n\nid: 1' }),
    )
    await expect.poll(() => client.all('stats').at(-1)?.data.totals.failed).toBe(1)
    await client.seen('heads')
    expect(client.all('heads')[0]?.data.heads).toMatchObject([{ chain: 'dev', latest: 9, finalized: 7 }])
    await client.seen('coverage')
    expect(client.all('coverage')[0]?.data.coverage).toMatchObject([
      { task: 'test-task', through: 6, evaluatedCount: 5 },
    ])
    await client.seen('workers')
    expect(client.all('workers')[0]?.data.workers).toMatchObject([{ name: 'worker-a', state: 'running', running: 1 }])
  })

  it('sends few messages however many tasks there are, with exact counts', async () => {
    const { base } = await serve()
    const client = await listen(base, '?type=tasks')
    await client.seen('reset')
    const blocks = Array.from({ length: 400 }, (_, block) => block)
    await record(taskMessage(blocks), eventMessage(blocks.map((block) => succeeded(block))))
    await expect.poll(() => client.all('tasks').at(-1)?.data.counts[0]?.counts.succeeded).toBe(400)
    expect(client.all('tasks').length).toBeLessThan(5)
    expect(client.all('tasks').flatMap(({ data }) => data.ended).length).toBeLessThanOrEqual(40)
    expect(new Set(client.events().map(({ event }) => event))).toEqual(new Set(['reset', 'tasks']))
  })

  it('goes on behind the last event that a client has seen, and repeats none', async () => {
    const { base } = await serve()
    const stays = await listen(base, '?type=tasks')
    const first = await listen(base, '?type=tasks')
    await record(taskMessage([1]))
    await first.seen('tasks')
    const { id } = first.events().at(-1) as Event
    first.stop()
    await record(taskMessage([2]))
    await expect.poll(() => stays.all('tasks').at(-1)?.data.counts[0]?.counts.scheduled).toBe(2)
    const again = await listen(base, '?type=tasks', id)
    await expect.poll(() => again.all('tasks').at(-1)?.data.counts[0]?.counts.scheduled).toBe(2)
    expect(again.events()[0]?.event).toBe('tasks')
    expect(again.events().map((event) => event.id)).not.toContain(id)
  })

  it('tells a client to load everything whose last event is of another monitor, or too old', async () => {
    const { base } = await serve({ maxEvents: 1 })
    const { base: other } = await serve()
    const elsewhere = await listen(other, '?type=stats')
    await expect.poll(() => elsewhere.events().length).toBeGreaterThan(1)
    const client = await listen(base, '?type=stats')
    await expect.poll(() => client.events().length).toBeGreaterThan(3)
    for (const id of [elsewhere.events().at(-1)?.id, client.events()[0]?.id, 'nonsense']) {
      const again = await listen(base, '', id)
      await again.seen('reset')
      expect(again.events()[0]?.event).toBe('reset')
    }
  })

  it('cuts off a client that does not read, and goes on for the others', async () => {
    const hub = createLiveHub()
    const types = new Set(LIVE_TYPES)
    const streams: (Readable | undefined)[] = []
    const app = fastify({ forceCloseConnections: true })
    app.get('/events', (_request, reply) => {
      const stream = createEventStream({ hub, types, mostWaitingBytes: 300_000 })
      streams.push(stream)
      return reply.type('text/event-stream').send(stream)
    })
    const base = await app.listen({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => app.close())
    const stalled = connect(Number(new URL(base).port), '127.0.0.1')
    onTestFinished(() => void stalled.destroy())
    // Whether it hears of it as an error depends on what is under way.
    stalled.on('error', () => undefined)
    const cutOff = new Promise<void>((resolve) => void stalled.once('close', () => resolve()))
    await once(stalled, 'connect')
    stalled.pause()
    stalled.write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await expect.poll(() => streams.length).toBe(1)
    const reader = await listen(base)
    let sent = 0
    // What the kernel takes for a socket, a few megabytes, is not waiting here.
    for (; sent < 1_000 && streams[0]?.destroyed !== true; sent += 1) {
      hub.publish('stats', 'x'.repeat(100_000))
      await expect.poll(() => reader.all('stats').length, { interval: 1 }).toBe(sent + 1)
    }
    expect(streams[0]?.destroyed).toBe(true)
    expect(streams[1]?.destroyed).toBe(false)
    stalled.resume()
    await cutOff
  })

  it('says now and then that it is still there', async () => {
    const { base } = await serve({ heartbeatMs: 5 })
    const client = await listen(base)
    await expect.poll(() => client.text()).toContain('\n\n: still here\n\n')
    expect(client.text()).toMatch(/^retry: 2000\n\n/)
  })

  it('takes no more clients than it may, and another when one has gone', async () => {
    const { base } = await serve({ maxSubscribers: 1 })
    const client = await listen(base)
    const refused = await fetch(`${base}/events`)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('10')
    client.stop()
    await listenWhenFree(base)
  })

  it('asks nothing of the database that nobody listens to', async () => {
    let asked = 0
    const counting: Database = { ...database, query: (sql, params) => ((asked += 1), database.query(sql, params)) }
    const { base } = await serve({ database: counting, intervalMs: 1, maxSubscribers: 1 })
    expect(asked).toBe(0)
    const client = await listen(base, '?type=heads')
    await expect.poll(() => asked).toBeGreaterThan(5)
    client.stop()
    // There is room when it has gone. The totals are at hand without the database.
    const other = await listenWhenFree(base, '?type=stats')
    const before = asked
    await expect.poll(() => other.all('stats').length).toBeGreaterThan(5)
    expect(asked).toBe(before)
    other.stop()
    await listenWhenFree(base, '?type=heads')
    await expect.poll(() => asked).toBeGreaterThan(before)
  })

  it('ends its clients in good order when the monitor stops', async () => {
    const { app, base } = await serve()
    const client = await listen(base)
    await client.seen('reset')
    await app.close()
    await expect.poll(() => client.isOver()).toBe(true)
  })

  it('refuses filters that are not known, names the field, and has no HEAD that never ends', async () => {
    const metrics = createMetrics('monitor')
    const app = await createApp({ database, logger, metrics, statistics, now, notReadyBecause: () => [] })
    onTestFinished(() => app.close())
    const headers = { host: '127.0.0.1:8080' }
    const refused = await app.inject({ url: '/api/v1/events?type=nonsense', headers })
    expect(refused.statusCode).toBe(400)
    expect(refused.json().errors[0].field).toMatch(/^type/)
    expect((await app.inject({ url: '/api/v1/events?types=tasks', headers })).json().errors).toMatchObject([
      { field: 'types' },
    ])
    expect((await app.inject({ method: 'HEAD', url: '/api/v1/events', headers })).statusCode).toBe(405)
    expect((await app.inject({ url: '/api/v1/events', headers: { host: 'evil.example' } })).statusCode).toBe(421)
  })
})

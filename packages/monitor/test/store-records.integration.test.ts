import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as fc from 'fast-check'

import { createSilentLogger, type Database, openDatabase, type TaskEvent } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'

import { messageRecords } from '../src/recorder/message-records.ts'
import { foldBatch } from '../src/recorder/records.ts'
import { storeRecords } from '../src/recorder/store-records.ts'
import {
  anyDelivery,
  anySplit,
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
const { url } = testDatabase({ migrate: migrateTemplate })

let database: Database
beforeAll(() => {
  database = openDatabase({ url, logger })
})
afterAll(() => database.close())
beforeEach(clear)

async function clear(): Promise<void> {
  await database.query('delete from blockmill.task')
  await database.query('truncate blockmill.task_attempt, blockmill.worker')
}

async function record(...messages: readonly Message[]): Promise<void> {
  await storeRecords(database, foldBatch(messages.map(({ type, body }) => messageRecords(type, body))))
}

async function rows(): Promise<{ readonly tasks: object[]; readonly workers: object[] }> {
  return {
    tasks: await database.query('select * from blockmill.task order by id'),
    workers: await database.query('select * from blockmill.worker order by name'),
  }
}

function attempts(): Promise<object[]> {
  return database.query('select * from blockmill.task_attempt order by attempt, postpones, outcome, worker')
}

/** Attempts that were reported, as opposed to those that an update would have wiped out. */
async function reportedAttempts(): Promise<object[]> {
  return database.query(
    `select * from blockmill.task_attempt where outcome not in ('lost', 'succeeded', 'orphaned', 'dead')
     order by task_id, generation, attempt, postpones, outcome, worker`,
  )
}

describe('the record', () => {
  it('is the same row for every order, repetition and split of the same messages', async () => {
    const deliveries = anyDelivery.chain(({ messages, delivered }) =>
      fc.record({ messages: fc.constant(messages), parts: anySplit(delivered) }),
    )
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ messages, parts }) => {
        await clear()
        await record(...messages)
        const expected = { ...(await rows()), attempts: await reportedAttempts() }
        await clear()
        for (const part of parts) await record(...part)
        expect({ ...(await rows()), attempts: await reportedAttempts() }).toEqual(expected)
      }),
      { numRuns: 150 },
    )
  }, 120_000)

  it('has one row in its final state when the finished event arrives before the scheduled message', async () => {
    await record(eventMessage([succeeded(7)]))
    await record(taskMessage([7]))
    expect((await rows()).tasks).toEqual([
      expect.objectContaining({
        id: idOfBlock(7),
        status: 'succeeded',
        block_number: 7,
        queue: 'default',
        args: { netuid: 1 },
        result: { block: 7 },
        scheduled_at: new Date('2026-01-01T00:00:00.000Z'),
        finished_at: new Date('2026-01-01T00:00:02.000Z'),
      }),
    ])
  })

  it('shows the attempt of a worker that died as lost, when another worker runs it', async () => {
    await record(taskMessage([1]))
    await record(heartbeat([1], 1, 'worker-a'))
    await record(heartbeat([1], 40, 'worker-b'))
    await record(eventMessage([{ ...succeeded(1), startedAt: '2026-01-01T00:00:40.000Z' }], 'worker-b'))
    expect((await rows()).tasks).toMatchObject([{ status: 'succeeded', worker: 'worker-b' }])
    expect(await attempts()).toMatchObject([{ attempt: 1, outcome: 'lost', worker: 'worker-a' }])
  })

  it('shows every run of an attempt that was lost, whether it comes in one batch or in several', async () => {
    const messages = [
      taskMessage([1]),
      heartbeat([1], 1, 'worker-a'),
      heartbeat([1], 20, 'worker-b'),
      eventMessage([{ ...succeeded(1), startedAt: '2026-01-01T00:00:40.000Z' }], 'worker-c'),
    ]
    for (const message of messages) await record(message)
    const one = await attempts()
    expect(one).toMatchObject([
      { outcome: 'lost', worker: 'worker-a' },
      { outcome: 'lost', worker: 'worker-b' },
    ])
    await clear()
    await record(...messages)
    expect(await attempts()).toEqual(one)
  })

  it('counts one success when 20 deliveries of one unit were all executed', async () => {
    const successes = Array.from({ length: 20 }, (_, index) => {
      const second = String(20 - index).padStart(2, '0')
      const times = { startedAt: '2026-01-01T00:00:01.000Z', at: `2026-01-01T00:00:${second}.000Z` }
      return eventMessage([{ ...succeeded(1, { result: index }), ...times }], `worker-${index}`)
    })
    await Promise.all([taskMessage([1]), ...successes].map((message) => record(message)))
    expect((await rows()).tasks).toMatchObject([{ status: 'succeeded', worker: 'worker-19', result: 19 }])
    expect(await attempts()).toEqual([])
  })

  it('keeps the success, and how the task was scheduled, when its block is replaced', async () => {
    const orphaned = { type: 'orphaned' as const, ...eventBase(1), generation: 5, reason: 'replaced' }
    await record(taskMessage([1]), eventMessage([succeeded(1)]))
    await record(eventMessage([orphaned], 'scheduler'))
    await record(eventMessage([succeeded(1)], 'worker-b'))
    expect((await rows()).tasks).toMatchObject([
      {
        status: 'orphaned',
        generation: 5,
        result: null,
        reason: 'replaced',
        queue: 'default',
        lane: 'normal',
        cause: 'live',
      },
    ])
    expect(await attempts()).toMatchObject([{ generation: 0, outcome: 'succeeded', worker: 'worker-a' }])
    await record(taskMessage([1], { generation: 9, queue: 'slow', scheduledAt: '2026-01-02T00:00:00.000Z' }))
    expect((await rows()).tasks).toMatchObject([{ status: 'scheduled', generation: 9, queue: 'slow' }])
  })

  it('keeps the outcome of an earlier generation when the task is replayed', async () => {
    await record(taskMessage([1]), eventMessage([succeeded(1)]))
    await record(taskMessage([1], { generation: 9, cause: 'replay' }))
    expect((await rows()).tasks).toMatchObject([{ status: 'scheduled', generation: 9, result: null }])
    expect(await attempts()).toMatchObject([{ generation: 0, outcome: 'succeeded', worker: 'worker-a' }])
  })

  it('does not touch a row when a message comes again', async () => {
    const messages = [taskMessage([1]), eventMessage([succeeded(1)]), heartbeat([2])]
    await record(...messages)
    const versions = () =>
      database.query('select xmin::text from blockmill.task union all select xmin::text from blockmill.worker')
    const before = await versions()
    for (const message of messages) await record(message)
    expect(await versions()).toEqual(before)
  })

  it('stores text that PostgreSQL cannot, with replacements', async () => {
    const message = 'NUL \u0000 and \ud800'
    await record(
      eventMessage([
        {
          type: 'failed',
          ...eventBase(1),
          startedAt: '2026-01-01T00:00:01.000Z',
          error: { name: 'Error', message, classes: [] },
          reason: 'exhausted',
        },
      ]),
      eventMessage([{ ...succeeded(2), result: { [message]: message } }], `worker ${message}`),
    )
    const readable = 'NUL \uFFFD and \uFFFD'
    expect((await rows()).tasks).toMatchObject([
      { error: { message: readable } },
      { result: { [readable]: readable }, worker: `worker ${readable}` },
    ])
  })

  it('ends the claim of a unique task with the task, and not before', async () => {
    const claims = () => database.query('select generation from blockmill.unique_task')
    const hold = (generation: number) =>
      database.query(
        `insert into blockmill.unique_task (task_id, chain, name, args_hash, generation) values ($1, 'dev', 't', '', $2)`,
        [idOfBlock(1), generation],
      )
    const failed: TaskEvent = {
      type: 'failed',
      ...eventBase(1),
      generation: 7,
      startedAt: '2026-01-01T00:00:01.000Z',
      error: { name: 'Error', message: 'no', classes: [] },
      reason: 'exhausted',
    }
    await hold(7)
    await record(
      taskMessage([1], { generation: 7 }),
      eventMessage([{ type: 'started', ...eventBase(1), generation: 7 }]),
    )
    expect(await claims()).toEqual([{ generation: 7 }])
    await record(eventMessage([failed]))
    expect(await claims()).toEqual([])

    await hold(9)
    await record(eventMessage([failed]))
    await record(eventMessage([succeeded(2)]))
    expect(await claims()).toEqual([{ generation: 9 }])
    await record(eventMessage([{ ...succeeded(1), generation: 9 }]))
    expect(await claims()).toEqual([])
  })

  it('can be written by several recorders at once', async () => {
    const blocks = Array.from({ length: 300 }, (_, index) => index)
    const messages = blocks.flatMap((block) => [
      taskMessage([block]),
      heartbeat([block, (block + 7) % 300], block, `worker-${block % 3}`),
      eventMessage([succeeded(block)]),
    ])
    const shuffled = (step: number) => messages.map((_, index) => messages[(index * step) % messages.length] as Message)
    await Promise.all(
      [7, 11, 13, 17].map(async (step) => {
        const mine = shuffled(step)
        for (let from = 0; from < mine.length; from += 100) await record(...mine.slice(from, from + 100))
      }),
    )
    const [{ count } = { count: 0 }] = await database.query<{ count: number }>(
      `select count(*)::int as count from blockmill.task where status = 'succeeded' and args is not null`,
    )
    expect(count).toBe(300)
  })
})

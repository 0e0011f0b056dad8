import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { createSilentLogger, type Database, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'

import { sampleCounts, sampleOldestWaiting, sumDifferences } from '../src/statistics/samples.ts'
import { createStatistics } from '../src/statistics/statistics.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const { url } = testDatabase({ migrate: migrateTemplate })

let database: Database
beforeAll(() => {
  database = openDatabase({ url, logger })
})
afterAll(() => database.close())
beforeEach(async () => {
  await database.query('delete from blockmill.task')
  await database.query('delete from blockmill.task_count')
})

async function addTasks(count: number, status: string): Promise<void> {
  await database.query(
    `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at, scheduled_at)
     select gen_random_uuid(), 'dev', 'a-task', $2, 1, 0, now(), now() - n * interval '1 s' from generate_series(1, $1) n`,
    [count, status],
  )
}

describe('adding up the differences of the totals', () => {
  it('changes no total, while recorders write and several monitors add up', async () => {
    const work = Array.from({ length: 60 }, async (_, index) => {
      await addTasks(5, 'scheduled')
      await database.query(
        `update blockmill.task set status = 'succeeded'
         where id in (select id from blockmill.task where status = 'scheduled' order by id limit 2 for update skip locked)`,
      )
      if (index % 3 === 0) await sumDifferences(database.query)
    })
    await Promise.all([...work, sumDifferences(database.query), sumDifferences(database.query)])
    await sumDifferences(database.query)
    const { tasks, rows } = await sampleCounts(database.query)
    const [exact] = await database.query<{ scheduled: number; succeeded: number }>(
      `select count(*) filter (where status = 'scheduled') as scheduled,
         count(*) filter (where status = 'succeeded') as succeeded from blockmill.task`,
    )
    expect(tasks).toMatchObject([{ chain: 'dev', name: 'a-task', counts: { ...exact, failed: 0 } }])
    expect(rows).toBeLessThanOrEqual(2)
    expect(exact?.scheduled).toBe(300 - (exact?.succeeded ?? 0))
  })

  it('happens by itself, so that the differences stay few', async () => {
    // As so many statements would leave them.
    await database.query(
      `insert into blockmill.task_count (chain, name, status, count)
       select 'dev', 'a-task', 'scheduled', 1 from generate_series(1, 2001)`,
    )
    const statistics = createStatistics({ database, logger })
    onTestFinished(() => statistics.stop())
    await statistics.start()
    expect(statistics.latest()?.totals.scheduled).toBe(2_001)
    expect((await sampleCounts(database.query)).rows).toBe(1)
  })
})

describe('statistics', () => {
  it('tell the rates of the last seconds and the task that has waited longest', async () => {
    let time = Date.now()
    const statistics = createStatistics({ database, logger, now: () => new Date(time), intervalMs: 5 })
    onTestFinished(() => statistics.stop())
    await addTasks(10, 'scheduled')
    await statistics.start()
    const oldest = await database.query<{ id: string }>('select id from blockmill.task order by scheduled_at limit 1')
    expect(statistics.latest()).toMatchObject({
      rates: { scheduled: 0, finished: 0 },
      oldestWaiting: { id: oldest[0]?.id, name: 'a-task' },
    })
    time += 10_000
    await addTasks(6, 'succeeded')
    await expect.poll(() => statistics.latest()?.totals).toMatchObject({ scheduled: 10, succeeded: 6 })
    expect(statistics.latest()?.rates).toEqual({ windowSeconds: 10, scheduled: 0.6, finished: 0.6 })
    await database.query('delete from blockmill.task')
    await expect.poll(() => statistics.latest()?.rates).toEqual({ windowSeconds: 10, scheduled: 0, finished: 0 })
    time += 31_000
    await expect.poll(() => statistics.latest()?.rates.windowSeconds).toBe(0)
  })

  it('do not take a task for waiting that is not to run yet', async () => {
    const id = (digit: number) => `00000000-0000-8000-8000-00000000000${digit}`
    await database.query(
      `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at, scheduled_at, not_before) values
         ($1, 'dev', 'later', 'scheduled', 1, 0, now(), '2026-01-01T00:00Z', '2026-01-01T10:00Z'),
         ($2, 'dev', 'was-delayed', 'scheduled', 1, 0, now(), '2026-01-01T01:00Z', '2026-01-01T08:00Z'),
         ($3, 'dev', 'at-once', 'scheduled', 1, 0, now(), '2026-01-01T07:00Z', null)`,
      [id(1), id(2), id(3)],
    )
    const oldest = (at: string) => sampleOldestWaiting(database.query, new Date(at))
    expect(await oldest('2026-01-01T09:00Z')).toMatchObject({ id: id(3), dueAt: new Date('2026-01-01T07:00Z') })
    await database.query('delete from blockmill.task where id = $1', [id(3)])
    expect(await oldest('2026-01-01T09:00Z')).toMatchObject({ id: id(2), dueAt: new Date('2026-01-01T08:00Z') })
    expect(await oldest('2026-01-01T07:30Z')).toBeNull()
  })

  it('count workers that run and that were lost within the hour, gaps by task, and dead letters', async () => {
    const now = new Date('2026-01-01T12:00:00Z')
    const worker = (name: string, state: string, lastSeenAt: string) =>
      database.query(
        `insert into blockmill.worker
           (name, host, pid, queues, concurrency, started_at, last_seen_at, state, running, rss_bytes, event_loop_lag_ms)
         values ($1, 'host', 1, '[]', 1, '2026-01-01T00:00Z', $3, $2, '[]', 1, 0)`,
        [name, state, lastSeenAt],
      )
    await worker('up', 'running', '2026-01-01T11:59:31Z')
    await worker('just-lost', 'running', '2026-01-01T11:59:29Z')
    await worker('lost', 'running', '2026-01-01T11:00:01Z')
    await worker('long-lost', 'running', '2026-01-01T11:00:00Z')
    await worker('stopped', 'stopped', '2026-01-01T11:59:59Z')
    await database.query(
      `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated) values
         ('dev', 'a-task', 'one', 'finalized', '{}', 0, '{[0,50),[60,120)}'),
         ('dev', 'a-task', 'two', 'finalized', '{}', 10, '{[15,120)}'),
         ('dev', 'b-task', 'one', 'finalized', '{}', 0, '{[0,120)}')`,
    )
    await database.query(
      `insert into blockmill.dead_letter (id, reason, headers, body)
       select gen_random_uuid(), 'unknown_task', '{}', '' from generate_series(1, 3)`,
    )
    const statistics = createStatistics({ database, logger, now: () => now })
    onTestFinished(() => statistics.stop())
    await statistics.start()
    expect(statistics.latest()).toMatchObject({
      workers: { running: 1, lost: 2 },
      deadLetters: 3,
      gaps: [
        { chain: 'dev', task: 'a-task', blocks: 15 },
        { chain: 'dev', task: 'b-task', blocks: 0 },
      ],
    })
  })

  it('keep the latest snapshot while the database is away, and stop at once', async () => {
    const away = openDatabase({ url: 'postgresql://me@127.0.0.1:1/none', logger })
    onTestFinished(() => away.close())
    const statistics = createStatistics({ database: away, logger, intervalMs: 60_000 })
    await statistics.start()
    expect(statistics.latest()).toBeUndefined()
    await Promise.all([statistics.stop(), statistics.stop()])
  })
})

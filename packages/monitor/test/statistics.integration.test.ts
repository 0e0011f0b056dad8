import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { createSilentLogger, type Database, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'

import { sampleCounts, sumDifferences } from '../src/statistics/samples.ts'
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
    for (let statement = 0; statement < 2_001; statement += 1) await addTasks(1, 'scheduled')
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
    const statistics = createStatistics({ database, logger, now: () => new Date((time += 2_000)), intervalMs: 5 })
    onTestFinished(() => statistics.stop())
    await addTasks(10, 'scheduled')
    await statistics.start()
    const oldest = await database.query<{ id: string }>('select id from blockmill.task order by scheduled_at limit 1')
    expect(statistics.latest()).toMatchObject({
      rates: { scheduled: 0, finished: 0 },
      oldestWaiting: { id: oldest[0]?.id, name: 'a-task' },
    })
    await addTasks(6, 'succeeded')
    await expect.poll(() => statistics.latest()?.totals).toMatchObject({ scheduled: 10, succeeded: 6 })
    const rates = statistics.latest()?.rates
    expect((rates?.finished ?? 0) * (rates?.windowSeconds ?? 0)).toBeCloseTo(6)
    expect(rates?.scheduled).toBe(rates?.finished)
    await database.query('delete from blockmill.task')
    await expect.poll(() => statistics.latest()?.rates).toMatchObject({ scheduled: 0, finished: 0 })
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

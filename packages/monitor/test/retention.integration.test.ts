import {
  createMetrics,
  createSilentLogger,
  type Database,
  defineTask,
  FINAL_STATES,
  readRetentions,
  type RetentionOptions,
  storeRetentions,
  TASK_STATES,
} from '@blockmill/core'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { retentionCutoff } from '../src/retention/cutoff.ts'
import { countPrunable, pruneTasks } from '../src/retention/prune-tasks.ts'
import { createPruner } from '../src/retention/pruner.ts'
import { createStatistics, type Statistics } from '../src/statistics/statistics.ts'
import { eventMessage, succeeded, taskMessage } from './message-arbitraries.ts'
import { testApi } from './test-api.ts'

const logger = createSilentLogger()
const now = () => new Date('2026-02-01T00:00:00.000Z')
const cutoff = retentionCutoff(7, now())

let statistics: Statistics
let database: Database
const api = testApi(() => {
  database = api.database
  statistics = createStatistics({ database, logger, now })
  return { now, statistics }
})
beforeEach(async () => {
  for (const table of ['task', 'task_attempt', 'unique_task', 'coverage', 'task_count', 'task_retention']) {
    await database.query(`delete from blockmill.${table}`)
  }
})

/** Tasks that came into their state so many days ago, each with an earlier attempt. */
async function addTasks(status: string, ageDays: number, count = 1): Promise<void> {
  await database.query(
    `with added as (
       insert into blockmill.task (id, chain, name, status, attempt, postpones, scheduled_at, changed_at, finished_at)
       select gen_random_uuid(), 'dev', 'a-task', $1, 2, 0, $2::timestamptz, $2, case when $3 then $2::timestamptz end from generate_series(1, $4)
       returning id)
     insert into blockmill.task_attempt (task_id, generation, attempt, postpones, outcome, finished_at, worker)
     select id, 0, 1, 0, 'retrying', $2::timestamptz, 'w' from added`,
    [status, retentionCutoff(ageDays, now()), (FINAL_STATES as readonly string[]).includes(status), count],
  )
}

async function counts(): Promise<Record<string, number>> {
  const rows = await database.query<{ status: string; count: number }>(
    'select status, count(*) as count from blockmill.task group by status',
  )
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
}

async function rowsOf(table: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(`select count(*) as count from blockmill.${table}`)
  return row?.count ?? 0
}

describe('pruning', () => {
  it('deletes what succeeded or is exhausted and is older than the cutoff, and nothing that waits, runs or is retried', async () => {
    for (const state of TASK_STATES) {
      await addTasks(state, 8, 2)
      await addTasks(state, 6, 1)
    }
    await database.query(
      `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
       values ('dev', 'a-task', 'hash', 'finalized', '{}', 0, '{[0,1000)}')`,
    )
    const unfinished = TASK_STATES.filter((state) => !(FINAL_STATES as readonly string[]).includes(state))
    expect(unfinished.toSorted()).toEqual(['postponed', 'retrying', 'running', 'scheduled'])

    expect(await countPrunable(database.query, cutoff)).toBe(10)
    expect(await pruneTasks(database, { cutoff })).toEqual({ deletedCount: 10, cutoff })

    expect(await counts()).toEqual({
      ...Object.fromEntries(FINAL_STATES.map((state) => [state, 1])),
      ...Object.fromEntries(unfinished.map((state) => [state, 3])),
    })
    expect(await rowsOf('task_attempt')).toBe(await rowsOf('task'))
    expect(await database.query('select evaluated from blockmill.coverage')).toEqual([{ evaluated: '{[0,1000)}' }])
    expect(await pruneTasks(database, { cutoff })).toEqual({ deletedCount: 0, cutoff })
  })

  it('keeps a task that finished exactly at the cutoff', async () => {
    await addTasks('succeeded', 7)
    expect(await pruneTasks(database, { cutoff })).toMatchObject({ deletedCount: 0 })
  })

  it('works in batches, each of which stays when a later one fails or is not wanted any more', async () => {
    await addTasks('succeeded', 8, 25)
    const stop = new AbortController()
    const batches: number[] = []
    await pruneTasks(database, {
      cutoff,
      batchRows: 10,
      signal: stop.signal,
      onBatch(deleted) {
        batches.push(deleted)
        if (batches.length === 2) stop.abort()
      },
    })
    expect(batches).toEqual([10, 10])
    expect(await rowsOf('task')).toBe(5)
  })

  it('ends the claim of a run that is deleted, and not that of a later run', async () => {
    await addTasks('succeeded', 8, 2)
    await database.query(`update blockmill.task set generation = 5`)
    await database.query(
      `insert into blockmill.unique_task (task_id, chain, name, args_hash, generation)
       select id, 'dev', 'a-task', 'hash', 4 + row_number() over () from blockmill.task`,
    )
    await pruneTasks(database, { cutoff })
    expect(await database.query('select generation from blockmill.unique_task')).toEqual([{ generation: 6 }])
  })

  it('leaves a task that is being written, and finds it the next time', async () => {
    await addTasks('failed', 8, 3)
    await database.withTransaction(async (query) => {
      await query(`select 1 from blockmill.task where id = (select min(id::text)::uuid from blockmill.task) for update`)
      expect(await pruneTasks(database, { cutoff })).toMatchObject({ deletedCount: 2 })
    })
    expect(await pruneTasks(database, { cutoff })).toMatchObject({ deletedCount: 1 })
  })

  it('deletes each task once when several do it at the same time, and keeps the totals exact', async () => {
    await addTasks('succeeded', 8, 300)
    await addTasks('running', 8, 4)
    const pruned = await Promise.all(
      (['wait', 'wait', 'leave'] as const).map((whenBusy) => pruneTasks(database, { cutoff, batchRows: 20, whenBusy })),
    )
    expect(pruned.reduce((sum, { deletedCount }) => sum + deletedCount, 0)).toBe(300)
    expect(
      await database.query(
        `select status, sum(count)::int as count from blockmill.task_count group by status having sum(count) <> 0`,
      ),
    ).toEqual([{ status: 'running', count: 4 }])
  })
})

describe('the pruner', () => {
  it('deletes old tasks at its start and from then on, and counts them', async () => {
    const metrics = createMetrics('monitor')
    const pruner = createPruner({ database, logger, metrics, retentionDays: 7, now, intervalMs: 20 })
    onTestFinished(() => pruner.stop())
    await addTasks('succeeded', 8, 5)
    pruner.start()
    pruner.start()
    await expect.poll(() => rowsOf('task')).toBe(0)
    await addTasks('cancelled', 8, 2)
    await expect.poll(() => rowsOf('task')).toBe(0)
    await pruner.stop()
    expect(await metrics.getSingleMetricAsString('blockmill_pruned_tasks_total')).toMatch(
      /^blockmill_pruned_tasks_total.* 7$/m,
    )
    await addTasks('succeeded', 8)
    pruner.start()
    expect(await rowsOf('task')).toBe(1)
  })

  it('goes on when the database was away', async () => {
    const failing: Database = {
      ...database,
      withTransaction: (work) =>
        failures-- > 0 ? Promise.reject(new Error('Connection terminated')) : database.withTransaction(work),
    }
    let failures = 2
    const pruner = createPruner({
      database: failing,
      logger,
      metrics: createMetrics('monitor'),
      retentionDays: 7,
      now,
      intervalMs: 10,
    })
    onTestFinished(() => pruner.stop())
    await addTasks('succeeded', 8, 5)
    pruner.start()
    await expect.poll(() => rowsOf('task')).toBe(0)
  })

  it('keeps everything when the retention is 0', async () => {
    const pruner = createPruner({ database, logger, metrics: createMetrics('monitor'), retentionDays: 0, now })
    await addTasks('succeeded', 30_000)
    pruner.start()
    await pruner.stop()
    expect(await rowsOf('task')).toBe(1)
  })
})

describe('the retention of a task definition', () => {
  const MINUTE_DAYS = 1 / (24 * 60)
  const named = async (name: string, status: string, ageDays: number): Promise<void> => {
    await addTasks(status, ageDays)
    await database.query(`update blockmill.task set name = $1 where name = 'a-task'`, [name])
  }
  const left = async (): Promise<string[]> => {
    const rows = await database.query<{ text: string }>(
      `select name || ' ' || status || ' ' || round(extract(epoch from $1 - finished_at) / 60) as text from blockmill.task order by 1`,
      [now()],
    )
    return rows.map(({ text }) => text)
  }
  const task = (name: string, options: RetentionOptions) => defineTask({ name, run: () => undefined, ...options })
  const start = (options: Partial<Parameters<typeof createPruner>[0]> = {}) => {
    const ports = { database, logger, metrics: createMetrics('monitor'), retentionDays: 7, now, intervalMs: 10 }
    const pruner = createPruner({ ...ports, ...options })
    onTestFinished(() => pruner.stop())
    pruner.start()
    return pruner
  }

  it('is put on record by the scheduler, changed and taken back with the definition, for each chain apart', async () => {
    const { query } = database
    await storeRetentions(query, 'dev', [
      task('a', { retention: { succeeded: '1d', failed: 'never' } }),
      task('b', { deleteOnComplete: true }),
      task('c', {}),
    ])
    await storeRetentions(query, 'other', [task('a', { retention: '2d' })])
    await storeRetentions(query, 'dev', [task('b', { retention: { failed: '5m' } }), task('c', {})])
    const DAY_MS = 24 * 60 * 60 * 1_000
    const recorded = (await readRetentions(query)).toSorted((x, y) => (x.chain + x.task < y.chain + y.task ? -1 : 1))
    expect(recorded).toEqual([
      { chain: 'dev', task: 'a', succeededMs: DAY_MS, failedMs: null },
      { chain: 'dev', task: 'b', failedMs: 300_000 },
      { chain: 'other', task: 'a', succeededMs: 2 * DAY_MS, failedMs: 2 * DAY_MS },
    ])
    await storeRetentions(query, 'dev', [task('a', {}), task('b', {})])
    expect((await readRetentions(query)).map(({ chain }) => chain)).toEqual(['other'])
  })

  it('counts in place of the general one, for success and failure apart, and never for what waits or runs', async () => {
    await storeRetentions(database.query, 'dev', [
      task('short', { retention: { succeeded: '1d', failed: 'never' } }),
      task('long', { retention: '30d' }),
    ])
    for (const name of ['short', 'long', 'plain']) {
      for (const status of ['succeeded', 'failed', 'running']) {
        for (const days of [0.5, 2, 8, 31]) await named(name, status, days)
      }
    }
    start({ batchRows: 2 })
    const minutes = (...days: readonly number[]) => days.map((one) => one * 24 * 60)
    const kept = [
      ...minutes(0.5, 2, 8).flatMap((age) => [`long failed ${age}`, `long succeeded ${age}`]),
      ...minutes(0.5, 2).flatMap((age) => [`plain failed ${age}`, `plain succeeded ${age}`]),
      ...minutes(0.5, 2, 8, 31).map((age) => `short failed ${age}`),
      `short succeeded ${minutes(0.5)[0]}`,
    ]
    await expect.poll(async () => (await left()).filter((text) => text !== null).toSorted()).toEqual(kept.toSorted())
    expect((await counts())['running']).toBe(12)
    // One that was recorded late is found, although the pruner has been there.
    await named('short', 'succeeded', 1.02)
    await expect.poll(async () => (await counts())['succeeded']).toBe(6)
  })

  it('comes before that of a queue, whose tasks are deleted when they have succeeded and their definition says nothing', async () => {
    await storeRetentions(database.query, 'dev', [task('long', { retention: { succeeded: '30d' } })])
    for (const name of ['long', 'plain', 'elsewhere']) {
      for (const status of ['succeeded', 'failed']) await named(name, status, 20 * MINUTE_DAYS)
    }
    await named('fresh', 'succeeded', 5 * MINUTE_DAYS)
    await database.query(`update blockmill.task set queue = case name when 'elsewhere' then name else 'probes' end`)
    start({ deleteOnComplete: ['probes', 'pings'], retentionDays: 0 })
    await expect.poll(async () => (await left()).length).toBe(6)
    expect(await left()).toEqual([
      'elsewhere failed 20',
      'elsewhere succeeded 20',
      'fresh succeeded 5',
      'long failed 20',
      'long succeeded 20',
      'plain failed 20',
    ])
  })

  it('leaves the task of a batch until its job has seen its end', async () => {
    await addTasks('succeeded', 8, 2)
    await database.query(`
      with job as (
        insert into blockmill.range_job (id, chain, task, from_block, to_block, args, args_hash, sink, state, created_by, created_at)
        values (gen_random_uuid(), 'dev', 'a-task', 0, 1, '{}', 'hash', 'postgres', 'running', 'test', now()) returning id)
      insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id)
      select job.id, number - 1, number - 1, number, 0, case number when 1 then 'queued' else 'succeeded' end, task.id
      from job, (select id, row_number() over (order by id) as number from blockmill.task) as task`)
    onTestFinished(async () => void (await database.query('delete from blockmill.range_job')))
    expect(await pruneTasks(database, { cutoff })).toMatchObject({ deletedCount: 1 })
    await database.query(`update blockmill.range_batch set state = 'succeeded'`)
    expect(await pruneTasks(database, { cutoff })).toMatchObject({ deletedCount: 1 })
  })

  it('works also where tasks are kept for ever otherwise', async () => {
    await storeRetentions(database.query, 'dev', [task('short', { retention: '1d' })])
    await named('short', 'succeeded', 2)
    await named('plain', 'succeeded', 3_000)
    start({ retentionDays: 0 })
    await expect.poll(left).toEqual([expect.stringMatching(/^plain/)])
  })

  it('deletes on completion ten minutes later, so that what is told twice meets the task and not an empty place', async () => {
    await storeRetentions(database.query, 'dev', [task('test-task', { deleteOnComplete: true })])
    const told = [
      taskMessage([1], { scheduledAt: '2026-01-31T23:49:00.000Z' }),
      eventMessage([{ ...succeeded(1), at: '2026-01-31T23:51:00.000Z' }]),
    ]
    await api.record(...told)
    let time = now()
    let runs = 0
    const pruner = start({
      now: () => time,
      isRecordUpToDate: async () => {
        runs += 1
        return true
      },
    })
    await expect.poll(() => runs).toBeGreaterThan(4)
    await api.record(...told)
    expect(await counts()).toEqual({ succeeded: 1 })
    time = new Date(now().getTime() + 70_000)
    await expect.poll(() => rowsOf('task')).toBe(0)
    expect(await rowsOf('task_attempt')).toBe(0)
    await pruner.stop()
    // Planned anew, it is a task like any other.
    await api.record(taskMessage([1], { generation: 7 }))
    expect(await counts()).toEqual({ scheduled: 1 })
  })

  it('deletes nothing so soon while the record is behind, and at first', async () => {
    await storeRetentions(database.query, 'dev', [task('short', { deleteOnComplete: true })])
    await named('short', 'succeeded', 20 * MINUTE_DAYS)
    await named('plain', 'succeeded', 8)
    const answers = [true, false, true, true]
    const sizes: number[] = []
    start({
      isRecordUpToDate: async () => {
        sizes.push(await rowsOf('task'))
        return answers[sizes.length - 1] ?? true
      },
    })
    await expect.poll(() => rowsOf('task')).toBe(0)
    // Old ones go at once; the fresh one only when the record was up to date twice in a row.
    expect(sizes.slice(0, 4)).toEqual([2, 1, 1, 1])
  })
})

describe('the monitor while tasks are deleted', () => {
  it('answers, and records, however long a batch takes', async () => {
    await addTasks('succeeded', 8, 5_000)
    await addTasks('succeeded', 1)
    await statistics.start()
    await statistics.stop()
    const [deleted, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    onTestFinished(() => commit.resolve())
    const slow: Database = {
      ...database,
      withTransaction: (work) =>
        database.withTransaction(async (query) => {
          const result = await work(query)
          deleted.resolve()
          await commit.promise
          return result
        }),
    }
    const pruned = pruneTasks(slow, { cutoff })
    await deleted.promise

    const tasks = await database.query<{ id: string }>(
      `(select id from blockmill.task where finished_at < $1 limit 1)
       union all select id from blockmill.task where finished_at > $1`,
      [cutoff],
    )
    const paths = ['/tasks', '/tasks?status=failed', '/stats', '/stats/timeseries', '/coverage', '/failures']
    for (const path of [...paths, ...tasks.map(({ id }) => `/tasks/${id}`)]) {
      expect(await api.call('GET', path)).toMatchObject({ status: 200 })
    }
    await api.record(taskMessage([1]), eventMessage([succeeded(1)]))
    expect(await pruneTasks(database, { cutoff, whenBusy: 'leave' })).toMatchObject({ deletedCount: 0 })
    commit.resolve()
    expect(await pruned).toMatchObject({ deletedCount: 5_000 })
    expect(await rowsOf('task')).toBe(2)
  })
})

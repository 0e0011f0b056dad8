import {
  createMetrics,
  createSilentLogger,
  type Database,
  FINAL_STATES,
  openDatabase,
  TASK_STATES,
} from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { createApp } from '../src/http/app.ts'
import { retentionCutoff } from '../src/retention/cutoff.ts'
import { countPrunable, pruneTasks } from '../src/retention/prune-tasks.ts'
import { createPruner } from '../src/retention/pruner.ts'
import { createStatistics } from '../src/statistics/statistics.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const now = () => new Date('2026-02-01T00:00:00.000Z')
const cutoff = retentionCutoff(7, now())
const { url } = testDatabase({ migrate: migrateTemplate })

let database: Database
beforeAll(() => {
  database = openDatabase({ url, logger })
})
afterAll(() => database.close())
beforeEach(async () => {
  for (const table of ['task', 'task_attempt', 'unique_task', 'coverage', 'task_count']) {
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

describe('the API while 100,000 tasks are deleted', () => {
  it('answers as usual', { timeout: 60_000 }, async () => {
    await addTasks('succeeded', 8, 100_000)
    await addTasks('succeeded', 1, 2_000)
    await database.query('analyze blockmill.task, blockmill.task_attempt')
    const statistics = createStatistics({ database, logger, now })
    await statistics.start()
    await statistics.stop()
    const app = await createApp({
      database,
      logger,
      metrics: createMetrics('monitor'),
      statistics,
      now,
      notReadyBecause: () => [],
    })
    onTestFinished(() => app.close())
    const [kept] = await database.query<{ id: string }>(
      'select id from blockmill.task where finished_at > $1 limit 1',
      [cutoff],
    )
    const paths = [
      '/api/v1/tasks?limit=50',
      '/api/v1/tasks?status=failed',
      `/api/v1/tasks/${kept?.id}`,
      '/api/v1/stats',
    ]

    /** How long each request took until there were enough. */
    const latencies = async (isEnough: (count: number) => boolean): Promise<number[]> => {
      const all: number[] = []
      while (!isEnough(all.length)) {
        for (const path of paths) {
          const begun = performance.now()
          const { statusCode } = await app.inject({ url: path, headers: { host: '127.0.0.1:8080' } })
          all.push(performance.now() - begun)
          expect(statusCode).toBe(200)
        }
      }
      return all.toSorted((a, b) => a - b)
    }
    const p99 = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN

    const usual = await latencies((count) => count >= 200)
    const done = new AbortController()
    const pruned = pruneTasks(database, { cutoff }).finally(() => done.abort())
    const meanwhile = await latencies(() => done.signal.aborted)
    expect(await pruned).toMatchObject({ deletedCount: 100_000 })
    expect(meanwhile.length).toBeGreaterThan(50)
    // Waiting for one batch would take longer; on a machine with other work, everything does.
    expect(p99(meanwhile)).toBeLessThan(Math.max(300, 10 * p99(usual)))
    expect(await rowsOf('task')).toBe(2_000)
  })
})

import { type BlockRange, type Database, FINAL_STATES, fromMultirange } from '@blockmill/core'

/** How far the demo is, from its records. */
export interface DemoProgress {
  /** Last block up to which every task was evaluated for every block; 0 before the first. */
  readonly evaluatedTo: number
  readonly scheduled: number
  readonly running: number
  /** Waiting for another attempt. */
  readonly waiting: number
  readonly succeeded: number
  /** Tasks that took more than one attempt. */
  readonly retried: number
  /** Tasks that ended any other way than well. */
  readonly failed: number
}

/** One task's records over the blocks of the demo. */
export interface TaskSummary {
  readonly name: string
  /** Tasks that are recorded as scheduled. */
  readonly scheduled: number
  /** Tasks in a final state. */
  readonly finished: number
  readonly succeeded: number
  readonly retried: number
  readonly failed: number
  /** Tasks of which only the outcome is recorded, or only the schedule; see `recorded`. */
  readonly recorded: number
  /** From the block being seen to the handler being started, of tasks that ran once; `undefined` without any. */
  readonly p50Ms?: number
  readonly p95Ms?: number
}

const FINAL = [...FINAL_STATES]

/** Reads progress over everything that was recorded. */
export async function readProgress({ query }: Database): Promise<DemoProgress> {
  const [counts] = await query<Omit<DemoProgress, 'evaluatedTo'>>(
    `select count(*)::int as scheduled,
       count(*) filter (where status = 'running')::int as running,
       count(*) filter (where status in ('retrying', 'postponed'))::int as waiting,
       count(*) filter (where status = 'succeeded')::int as succeeded,
       count(*) filter (where attempt > 1 or status = 'retrying')::int as retried,
       count(*) filter (where status = any($1) and status <> 'succeeded')::int as failed
     from blockmill.task`,
    [FINAL],
  )
  const coverage = await readCoverage({ query })
  const evaluatedTo = coverage.length === 0 ? 0 : Math.min(...coverage.map(({ evaluated }) => evaluated[0]?.to ?? 0))
  return { scheduled: 0, running: 0, waiting: 0, succeeded: 0, retried: 0, failed: 0, ...counts, evaluatedTo }
}

/** Coverage of one task with one set of arguments. */
export interface DemoCoverage {
  readonly task: string
  readonly evaluated: readonly BlockRange[]
}

export async function readCoverage({ query }: Pick<Database, 'query'>): Promise<readonly DemoCoverage[]> {
  const rows = await query<{ task: string; evaluated: string }>(
    'select task, evaluated::text from blockmill.coverage order by task',
  )
  return rows.map(({ task, evaluated }) => ({ task, evaluated: fromMultirange(evaluated) }))
}

/** Sums up each task over a range of blocks, in order of name. */
export async function readTaskSummaries(
  { query }: Database,
  { from, to }: BlockRange,
): Promise<readonly TaskSummary[]> {
  const rows = await query<TaskSummary & { p50Ms: number | null; p95Ms: number | null }>(
    `with started as (
       select *, extract(epoch from started_at - scheduled_at) * 1000 as wait_ms
       from blockmill.task where block_number between $1 and $2
     )
     select name,
       count(*)::int as recorded,
       count(scheduled_at)::int as scheduled,
       count(*) filter (where status = any($3))::int as finished,
       count(*) filter (where status = 'succeeded')::int as succeeded,
       count(*) filter (where attempt > 1)::int as retried,
       count(*) filter (where status = any($3) and status <> 'succeeded')::int as failed,
       (percentile_cont(0.5) within group (order by wait_ms) filter (where attempt = 1 and postpones = 0))::float8 as "p50Ms",
       (percentile_cont(0.95) within group (order by wait_ms) filter (where attempt = 1 and postpones = 0))::float8 as "p95Ms"
     from started group by name order by name`,
    [from, to, FINAL],
  )
  return rows.map(({ p50Ms, p95Ms, ...counts }) => ({
    ...counts,
    ...(p50Ms === null ? {} : { p50Ms }),
    ...(p95Ms === null ? {} : { p95Ms }),
  }))
}

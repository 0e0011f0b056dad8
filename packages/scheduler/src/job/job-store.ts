import {
  batchMove,
  type BatchState,
  type BlockSet,
  FINAL_STATES,
  fromMultirange,
  type Json,
  type PartList,
  RANGE_JOB_COLUMNS,
  type RangeJob,
  rangeJobMove,
  rangeJobOfRow,
  type RangeJobRow,
  type SerializedError,
} from '@blockmill/core'

import { FENCE, fencedWrite, HELD } from '../lease/fence.ts'
import type { Sql } from '../sql.ts'
import type { Batch, EndedBatch, PlannedBatch } from './batch.ts'

/** What a job has on record besides what was asked for. */
export interface JobSurvey {
  readonly job: string
  readonly queued: number
  readonly hasPending: boolean
  /** The last block that is in a batch; null before any is. */
  readonly plannedTo: number | null
}

/** Batches of a job in one state. */
export interface BatchCount {
  readonly job: string
  readonly state: BatchState
  readonly batches: number
  readonly blocks: number
}

/** A queued batch that moves on. */
export interface BatchMoved {
  readonly batch: Batch
  readonly state: Extract<BatchState, 'succeeded' | 'failed' | 'split' | 'pending'>
  readonly rows?: number
  /** The result of its task. */
  readonly output?: Json
  readonly error?: SerializedError
  /** Of the next run, for one that is pending again. */
  readonly generation?: number
  /** Takes its place, for one that is split. */
  readonly pieces?: readonly PlannedBatch[]
}

/** What people are told of a job that is under way. */
export interface RangeJobReport {
  readonly job: string
  readonly blocksPerSecond: number | null
  readonly rowsPerSecond: number | null
  /** What it waits for; null when nothing is wrong. */
  readonly note: string | null
}

/** The parts of rows that the result of a task names. */
export interface NamedParts {
  readonly taskId: string
  readonly parts: PartList
}

/**
 * The range jobs of one chain, as their scheduler sees them. Every write carries the fencing token of the lease, and is refused when
 * another scheduler has taken over since. None changes the state of a job that a person has paused or cancelled.
 *
 * All methods throw a `RetryableError`: `DATABASE_UNREACHABLE`, and for a write that is refused `SCHEDULER_LEASE_LOST`.
 */
export interface JobStore {
  /** Jobs that have not finished, the oldest first. */
  open(): Promise<readonly RangeJob[]>
  survey(jobs: readonly string[]): Promise<readonly JobSurvey[]>
  counts(jobs: readonly string[]): Promise<readonly BatchCount[]>
  /** Batches to dispatch that end at this block or below, ascending. */
  pending(job: string, upTo: number, limit: number): Promise<readonly Batch[]>
  /** Queued batches whose tasks are over, but for these tasks. */
  ended(jobs: readonly string[], except: readonly string[], limit: number): Promise<readonly EndedBatch[]>
  /** Queued batches that were dispatched before this time, and of whose task nothing is on record. */
  unrecorded(jobs: readonly string[], before: Date, limit: number): Promise<readonly Batch[]>
  /** Which of these tasks have all of their parts stored. */
  complete(tasks: readonly NamedParts[]): Promise<ReadonlySet<string>>
  /** Blocks whose batches have failed, and why the first of them has. */
  failures(job: string): Promise<{ readonly blocks: BlockSet; readonly error: SerializedError | null }>
  queuedTasks(job: string): Promise<readonly string[]>
  /** Tasks that the workers of each queue can run at once. */
  slots(): Promise<ReadonlyMap<string, number>>
  /** A pending job runs from now on, in batches of this size. */
  start(job: string, sizes: { readonly batchSize: number; readonly minBatch: number }): Promise<void>
  /** Puts batches on record; those that are there stay as they are. */
  plan(job: string, batches: readonly PlannedBatch[]): Promise<void>
  /** The broker has confirmed the tasks of these batches. */
  dispatched(batches: readonly Batch[]): Promise<void>
  /** Batches move on, each with its pieces or not at all. */
  move(moved: readonly BatchMoved[]): Promise<void>
  report(reports: readonly RangeJobReport[]): Promise<void>
  /** A running job waits for a person. */
  pause(job: string, note: string): Promise<void>
  /** A running job is over, if none of its batches has anything left to do. */
  finish(job: string, move: 'complete' | 'fail', note: string | null): Promise<void>
  /**
   * Some of the batches of a cancelled job are called off, the queued ones first.
   *
   * @returns whether that were all that it had left: then the job has finished.
   */
  callOff(job: string, limit: number): Promise<boolean>
}

/** A batch, as `Batch` has it. */
const BATCH = `batch.job, batch.from_block as "from", batch.to_block as "to", batch.number, batch.task_id as "taskId",
  batch.generation, batch.max_attempts as "maxAttempts"`

const OPEN = `select ${RANGE_JOB_COLUMNS} from blockmill.range_job where chain = $1 and finished_at is null order by id`

const SURVEY = `
  select job,
    (select count(*) from blockmill.range_batch as batch where batch.job = one.job and state = 'queued') as queued,
    exists (select from blockmill.range_batch as batch where batch.job = one.job and state = 'pending') as "hasPending",
    (select to_block from blockmill.range_batch as batch where batch.job = one.job order by from_block desc limit 1)
      as "plannedTo"
  from unnest($1::uuid[]) as one (job)`

const COUNTS = `
  select job, state, count(*) as batches, sum(to_block - from_block + 1)::bigint as blocks
  from blockmill.range_batch where job = any($1::uuid[]) group by job, state`

const PENDING = `
  select ${BATCH} from blockmill.range_batch as batch
  where job = $1 and state = 'pending' and from_block <= $2 and to_block <= $2 order by from_block limit $3`

// Each task is looked up by its id, whatever the planner thinks of joining two large tables.
const ENDED = `
  select ${BATCH}, task.status, task.result, task.error, task.reason
  from blockmill.range_batch as batch
    cross join lateral (select * from blockmill.task where id = batch.task_id offset 0) as task
  where batch.job = any($1::uuid[]) and batch.state = 'queued' and batch.task_id <> all($2::uuid[])
    and task.generation >= batch.generation and task.status = any($3::text[])
  limit $4`

const UNRECORDED = `
  select ${BATCH} from blockmill.range_batch as batch
  where job = any($1::uuid[]) and state = 'queued' and dispatched_at < $2 and not exists (
    select from blockmill.task where id = batch.task_id and generation >= batch.generation)
  limit $3`

const COMPLETE = `
  select one.task_id as "taskId"
  from unnest($1::uuid[], $2::uuid[], $3::int[]) as one (task_id, execution, parts)
    cross join lateral (
      select count(*) as parts from blockmill.range_result as stored
      where stored.task_id = one.task_id and stored.execution = one.execution and stored.part < one.parts
    ) as found
  group by one.task_id having bool_and(found.parts = one.parts)`

const FAILURES = `
  select range_agg(int8range(from_block, to_block, '[]'))::text as blocks,
    (select error from blockmill.range_batch where job = $1 and state = 'failed' order by from_block limit 1) as error
  from blockmill.range_batch where job = $1 and state = 'failed'`

const QUEUED_TASKS = `select task_id as id from blockmill.range_batch where job = $1 and state = 'queued'`

const SLOTS = `
  select queue, sum(concurrency)::int as slots
  from blockmill.worker cross join lateral jsonb_array_elements_text(queues) as queue
  where state = 'running' and last_seen_at > clock_timestamp() - interval '30 seconds' group by queue`

const START = `
  with ${FENCE}, started as (
    update blockmill.range_job set state = '${rangeJobMove('start').to}', batch_size = $4, min_batch = $5,
      started_at = coalesce(started_at, clock_timestamp()), note = null
    from fence where id = $3 and state = any($6::text[])
  )
  select ${HELD}`

const PLAN = `
  with ${FENCE}, planned as (
    insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id)
    select $3, one.from_block, one.to_block, one.number, 0, 'pending', one.task_id
    from fence, unnest($4::bigint[], $5::bigint[], $6::int[], $7::uuid[]) as one (from_block, to_block, number, task_id)
    on conflict do nothing
  )
  select ${HELD}`

const DISPATCHED = `
  with ${FENCE}, dispatched as (
    update blockmill.range_batch as batch
    set state = '${batchMove('dispatch').to}', tries = tries + 1, dispatched_at = clock_timestamp()
    from fence, unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[]) as one (job, from_block, to_block, generation)
    where batch.job = one.job and batch.from_block = one.from_block and batch.to_block = one.to_block
      and batch.generation = one.generation and batch.state = 'pending'
  )
  select ${HELD}`

const MOVE = `
  with ${FENCE}, moved as (
    update blockmill.range_batch as batch
    set state = one.state, rows = one.rows, output = one.output, error = one.error,
      generation = coalesce(one.next_generation, batch.generation),
      finished_at = case when one.state <> 'pending' then clock_timestamp() end
    from fence, unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::jsonb[],
        $10::jsonb[], $11::bigint[])
      as one (job, from_block, to_block, generation, state, rows, output, error, next_generation)
    where batch.job = one.job and batch.from_block = one.from_block and batch.to_block = one.to_block
      and batch.generation = one.generation and batch.state = 'queued'
    returning batch.job, batch.from_block, batch.to_block, batch.depth
  ), pieces as (
    insert into blockmill.range_batch (job, from_block, to_block, number, depth, state, task_id, max_attempts)
    select moved.job, piece.from_block, piece.to_block, piece.number, moved.depth + 1, 'pending', piece.task_id,
      piece.max_attempts
    from moved join unnest($12::uuid[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::int[], $18::uuid[],
        $19::int[])
      as piece (job, whole_from, whole_to, from_block, to_block, number, task_id, max_attempts)
      on piece.job = moved.job and piece.whole_from = moved.from_block and piece.whole_to = moved.to_block
    on conflict do nothing
  )
  select ${HELD}`

// Why a batch waits that its own handler has postponed: a key that has expired, say.
const POSTPONED = `
  select 'batches are postponed: ' || left(task.reason, 1000)
  from blockmill.range_batch as batch
    cross join lateral (select * from blockmill.task where id = batch.task_id offset 0) as task
  where batch.job = job.id and batch.state = 'queued' and task.status = 'postponed' and task.generation >= batch.generation
  limit 1`

const REPORT = `
  with ${FENCE}, reported as (
    update blockmill.range_job as job
    set blocks_per_second = one.blocks, rows_per_second = one.rows, progress_at = clock_timestamp(),
      note = coalesce(one.note, (${POSTPONED}))
    from fence, unnest($3::uuid[], $4::float8[], $5::float8[], $6::text[]) as one (id, blocks, rows, note)
    where job.id = one.id and job.state in ('pending', 'running')
  )
  select ${HELD}`

const PAUSE = `
  with ${FENCE}, paused as (
    update blockmill.range_job set state = '${rangeJobMove('pause').to}', note = $4 from fence where id = $3 and state = 'running'
  )
  select ${HELD}`

const FINISH = `
  with ${FENCE}, finished as (
    update blockmill.range_job as job set state = $4, note = $5, finished_at = clock_timestamp()
    from fence where id = $3 and state = 'running' and not exists (
      select from blockmill.range_batch as batch where batch.job = job.id and batch.state in ('pending', 'queued'))
  )
  select ${HELD}`

// A page at a time: a million batches in one statement would take longer than a statement may.
const CALL_OFF = `
  with ${FENCE}, page as (
    select batch.from_block, batch.to_block
    from fence, blockmill.range_batch as batch join blockmill.range_job as job on job.id = batch.job
    where job.id = $3 and job.state = 'cancelled' and batch.state = any($4::text[])
    order by batch.state desc limit $5
  ), called_off as (
    update blockmill.range_batch as batch set state = '${batchMove('cancel').to}', finished_at = clock_timestamp()
    from page where batch.job = $3 and batch.from_block = page.from_block and batch.to_block = page.to_block
  ), finished as (
    update blockmill.range_job set finished_at = clock_timestamp()
    from fence where id = $3 and state = 'cancelled' and (select count(*) from page) < $5
  )
  select ${HELD}, (select count(*) from page) < $5 as "isAll"`

export interface JobStoreOptions {
  readonly sql: Sql
  readonly chain: string
  /** The fencing token of the lease. */
  readonly token: number
}

export function createJobStore({ sql, chain, token }: JobStoreOptions): JobStore {
  const write = async (statement: string, values: readonly unknown[]): Promise<void> => {
    await fencedWrite(sql, statement, { chain, token }, values)
  }

  return {
    open: async () => (await sql.query<RangeJobRow>(OPEN, [chain])).map(rangeJobOfRow),
    survey: (jobs) => sql.query<JobSurvey>(SURVEY, [jobs]),
    counts: (jobs) => sql.query<BatchCount>(COUNTS, [jobs]),
    pending: (job, upTo, limit) => sql.query<Batch>(PENDING, [job, upTo, limit]),
    ended: (jobs, except, limit) => sql.query<EndedBatch>(ENDED, [jobs, except, FINAL_STATES, limit]),
    unrecorded: (jobs, before, limit) => sql.query<Batch>(UNRECORDED, [jobs, before, limit]),
    async complete(tasks) {
      const parts = tasks.flatMap(({ taskId, parts: list }) => list.map((part) => ({ taskId, ...part })))
      const found = await sql.query<{ taskId: string }>(COMPLETE, [
        parts.map(({ taskId }) => taskId),
        parts.map(({ execution }) => execution),
        parts.map(({ parts: count }) => count),
      ])
      return new Set(found.map(({ taskId }) => taskId))
    },
    async failures(job) {
      const [row] = await sql.query<{ blocks: string | null; error: SerializedError | null }>(FAILURES, [job])
      return { blocks: fromMultirange(row?.blocks ?? '{}'), error: row?.error ?? null }
    },
    queuedTasks: async (job) => (await sql.query<{ id: string }>(QUEUED_TASKS, [job])).map(({ id }) => id),
    slots: async () =>
      new Map((await sql.query<{ queue: string; slots: number }>(SLOTS, [])).map(({ queue, slots }) => [queue, slots])),
    start: (job, { batchSize, minBatch }) => write(START, [job, batchSize, minBatch, rangeJobMove('start').from]),
    plan: (job, batches) =>
      write(PLAN, [
        job,
        batches.map(({ from }) => from),
        batches.map(({ to }) => to),
        batches.map(({ number }) => number),
        batches.map(({ taskId }) => taskId),
      ]),
    dispatched: (batches) => write(DISPATCHED, keysOf(batches)),
    move: (moved) => write(MOVE, [...keysOf(moved.map(({ batch }) => batch)), ...changesOf(moved), ...piecesOf(moved)]),
    report: (reports) =>
      write(REPORT, [
        reports.map(({ job }) => job),
        reports.map(({ blocksPerSecond }) => blocksPerSecond),
        reports.map(({ rowsPerSecond }) => rowsPerSecond),
        reports.map(({ note }) => note),
      ]),
    pause: (job, note) => write(PAUSE, [job, note]),
    finish: (job, move, note) => write(FINISH, [job, rangeJobMove(move).to, note]),
    async callOff(job, limit) {
      const values = [job, batchMove('cancel').from, limit]
      return (await fencedWrite<{ isAll: boolean }>(sql, CALL_OFF, { chain, token }, values)).isAll
    },
  }
}

function keysOf(batches: readonly Batch[]): readonly unknown[] {
  return [
    batches.map(({ job }) => job),
    batches.map(({ from }) => from),
    batches.map(({ to }) => to),
    batches.map(({ generation }) => generation),
  ]
}

function changesOf(moved: readonly BatchMoved[]): readonly unknown[] {
  const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value))
  return [
    moved.map(({ state }) => state),
    moved.map(({ rows }) => rows ?? null),
    moved.map(({ output }) => json(output)),
    moved.map(({ error }) => json(error)),
    moved.map(({ generation }) => generation ?? null),
  ]
}

function piecesOf(moved: readonly BatchMoved[]): readonly unknown[] {
  const all = moved.flatMap(({ batch, pieces = [] }) => pieces.map((piece) => ({ batch, piece })))
  return [
    all.map(({ batch }) => batch.job),
    all.map(({ batch }) => batch.from),
    all.map(({ batch }) => batch.to),
    all.map(({ piece }) => piece.from),
    all.map(({ piece }) => piece.to),
    all.map(({ piece }) => piece.number),
    all.map(({ piece }) => piece.taskId),
    all.map(({ piece }) => piece.maxAttempts),
  ]
}

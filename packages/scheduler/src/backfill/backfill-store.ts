import {
  BACKFILL_JOB_COLUMNS,
  type BackfillJob,
  type BackfillJobRow,
  backfillMove,
  type BlockRange,
  type BlockSet,
  fromMultirange,
  type JsonObject,
  jobOfRow,
  toMultirange,
} from '@blockmill/core'

import type { Coverage } from '../coverage/coverage-store.ts'
import { FENCE, fencedWrite, HELD } from '../lease/fence.ts'
import type { Sql } from '../sql.ts'

/** The blocks of a job for one set of arguments. */
export interface RecordedPart {
  readonly argsHash: string
  readonly args: JsonObject
  /** Blocks that the job is for. */
  readonly target: BlockSet
  /** Those of them that are done. */
  readonly evaluated: BlockSet
}

/** Blocks of a part that were just evaluated, and what their coverage's row needs. */
export interface PartProgress {
  readonly job: string
  readonly coverage: Omit<Coverage, 'evaluated'>
  readonly range: BlockRange
  /** Tasks that were scheduled for them. */
  readonly scheduled: number
}

/** What people are told of a job that is under way. */
export interface JobReport {
  readonly job: string
  /** Null while it does not run. */
  readonly blocksPerSecond: number | null
  /** What it waits for; null when nothing is wrong. */
  readonly note: string | null
}

/**
 * The back-fill jobs of one chain, as their scheduler sees them. Every write carries the fencing token of the lease, and is
 * refused when another scheduler has taken over since. None changes the state of a job that a person has paused or cancelled.
 *
 * All methods throw a `RetryableError`: `DATABASE_UNREACHABLE`, and for a write that is refused `SCHEDULER_LEASE_LOST`.
 */
export interface BackfillStore {
  /** Jobs that are pending or running, the oldest first. */
  open(): Promise<readonly BackfillJob[]>
  parts(job: string): Promise<readonly RecordedPart[]>
  /** A pending job runs from now on. Parts that it has already stay as they are. */
  start(job: string, parts: readonly Omit<RecordedPart, 'evaluated'>[]): Promise<void>
  /** Adds blocks to what is done of a part and to the coverage, both or neither. Once, however often it is called. */
  progress(progress: PartProgress): Promise<void>
  /** Counts blocks as done that were covered by others meanwhile: by a lookback, or another job. */
  adopt(job: string): Promise<void>
  report(reports: readonly JobReport[]): Promise<void>
  /** A running job is over. */
  finish(job: string, move: 'complete' | 'fail', error: string | null): Promise<void>
}

const OPEN = `
  select ${BACKFILL_JOB_COLUMNS} from blockmill.backfill
  where chain = $1 and state in ('pending', 'running') order by id`

const PARTS = `
  select args_hash, args, target::text, evaluated::text from blockmill.backfill_part where backfill = $1
  order by args_hash`

const START = `
  with ${FENCE}, parts as (
    insert into blockmill.backfill_part (backfill, args_hash, args, target)
    select $3, one.* from fence, unnest($4::text[], $5::jsonb[], $6::text[]::int8multirange[]) as one (args_hash, args, target)
    on conflict (backfill, args_hash) do nothing
  ), started as (
    update blockmill.backfill
    set state = 'running', started_at = coalesce(started_at, clock_timestamp()), finished_at = null, error = null
    from fence where id = $3 and state = 'pending'
  )
  select ${HELD}`

// A write whose answer was lost is written again: what the part has already counts no second time.
const PROGRESS = `
  with ${FENCE}, covered as (
    insert into blockmill.coverage as coverage (chain, task, args_hash, head, args, start_block, evaluated)
    select $1, $3, $4, $5, $6::jsonb, $7::bigint, int8multirange(int8range($8::bigint, $9::bigint, '[]')) from fence
    on conflict (chain, task, args_hash, head)
      do update set evaluated = coverage.evaluated + excluded.evaluated, updated_at = now()
  ), counted as (
    update blockmill.backfill_part
    set evaluated = evaluated + int8multirange(int8range($8::bigint, $9::bigint, '[]')),
      scheduled = scheduled + case when evaluated @> int8range($8::bigint, $9::bigint, '[]') then 0 else $11::bigint end
    from fence where backfill = $10 and args_hash = $4
  )
  select ${HELD}`

const ADOPT = `
  with ${FENCE}, adopted as (
    update blockmill.backfill_part as part set evaluated = part.evaluated + (part.target * coverage.evaluated)
    from fence, blockmill.backfill as job, blockmill.coverage as coverage
    where job.id = $3 and not job.force and part.backfill = job.id and coverage.chain = job.chain
      and coverage.task = job.task and coverage.args_hash = part.args_hash and coverage.head = job.head
      and not part.evaluated @> (part.target * coverage.evaluated)
  )
  select ${HELD}`

const REPORT = `
  with ${FENCE}, reported as (
    update blockmill.backfill as job
    set blocks_per_second = one.rate, progress_at = clock_timestamp(), error = one.note
    from fence, unnest($3::uuid[], $4::float8[], $5::text[]) as one (id, rate, note)
    where job.id = one.id and job.state in ('pending', 'running')
  )
  select ${HELD}`

const FINISH = `
  with ${FENCE}, finished as (
    update blockmill.backfill set state = $4, error = $5, finished_at = clock_timestamp()
    from fence where id = $3 and state = 'running'
  )
  select ${HELD}`

export interface BackfillStoreOptions {
  readonly sql: Sql
  readonly chain: string
  /** The fencing token of the lease. */
  readonly token: number
}

export function createBackfillStore({ sql, chain, token }: BackfillStoreOptions): BackfillStore {
  const write = async (statement: string, values: readonly unknown[]): Promise<void> => {
    await fencedWrite(sql, statement, { chain, token }, values)
  }

  return {
    async open() {
      return (await sql.query<BackfillJobRow>(OPEN, [chain])).map(jobOfRow)
    },
    async parts(job) {
      const rows = await sql.query<PartRow>(PARTS, [job])
      return rows.map((row) => ({
        argsHash: row.args_hash,
        args: row.args,
        target: fromMultirange(row.target),
        evaluated: fromMultirange(row.evaluated),
      }))
    },
    start: (job, parts) =>
      write(START, [
        job,
        parts.map(({ argsHash }) => argsHash),
        parts.map(({ args }) => JSON.stringify(args)),
        parts.map(({ target }) => toMultirange(target)),
      ]),
    progress: ({ job, coverage, range, scheduled }) =>
      write(PROGRESS, [
        coverage.task,
        coverage.argsHash,
        coverage.head,
        JSON.stringify(coverage.args),
        coverage.startBlock,
        range.from,
        range.to,
        job,
        scheduled,
      ]),
    adopt: (job) => write(ADOPT, [job]),
    report: (reports) =>
      write(REPORT, [
        reports.map(({ job }) => job),
        reports.map(({ blocksPerSecond }) => blocksPerSecond),
        reports.map(({ note }) => note),
      ]),
    finish: (job, move, error) => write(FINISH, [job, backfillMove(move).to, error]),
  }
}

interface PartRow {
  readonly args_hash: string
  readonly args: JsonObject
  readonly target: string
  readonly evaluated: string
}

import type { Database, Query } from '../database/database.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { SerializedError } from '../errors/serialized-error.ts'
import { readManifest } from '../message/rows-message.ts'
import { batchId, fromMultirange } from '../range/block-range.ts'
import type { Json } from '../task/json.ts'
import { argsHash } from '../task/task-id.ts'
import { BATCH_STATES, batchMove, type BatchState } from './batch-state.ts'
import { jobPace } from './job-pace.ts'
import { isRangeJobOver, rangeJobMove, type RangeJobMove, type RangeJobState } from './job-state.ts'
import type { RangeJob } from './range-job.ts'
import { RANGE_JOB_COLUMNS, type RangeJobRow, rangeJobOfRow } from './range-job-rows.ts'
import { isUuid, rowById } from './row-by-id.ts'
import { isLedColumn, waitingForScheduler } from './waiting-for-scheduler.ts'
import type { BatchPage, RangeBatch, RangeJobDetail, RangeJobSummary } from './range-job-view.ts'

/** What a person may order of a job. */
export type RangeJobOrder = Extract<RangeJobMove, 'pause' | 'resume' | 'cancel' | 'retry-failed'>

export interface RangeJobFilter {
  readonly chain?: string | undefined
  readonly task?: string | undefined
  readonly states?: readonly RangeJobState[] | undefined
  /** Jobs that are older than the one with this id: the last one of the page before. */
  readonly before?: string | undefined
  /** Default 100. */
  readonly limit?: number | undefined
}

/** The range jobs on record: what command line, REST API and `createCoordinator` work with. The scheduler does what they say. */
export interface RangeJobs {
  /** Puts a job on record; the scheduler that leads its chain picks it up within about a second. */
  create(job: RangeJob): Promise<void>
  /** The newest first. */
  list(filter?: RangeJobFilter): Promise<readonly RangeJobSummary[]>
  /** @throws NonRetryableError `RANGE_JOB_UNKNOWN`. */
  summary(id: string): Promise<RangeJobSummary>
  /** @throws NonRetryableError `RANGE_JOB_UNKNOWN`. */
  detail(id: string): Promise<RangeJobDetail>
  /** Batches of a job, ascending. Without states: those that do its work now, not those that were split. @throws NonRetryableError `RANGE_JOB_UNKNOWN`. */
  batches(id: string, page?: BatchPage): Promise<readonly RangeBatch[]>
  /**
   * Pauses, resumes or cancels a job, or has its failed batches run anew. The scheduler follows within about a second. What is so
   * already stays so.
   *
   * @throws NonRetryableError `RANGE_JOB_UNKNOWN`; `RANGE_JOB_CONFLICT` when the job's state does not allow it.
   */
  order(id: string, order: RangeJobOrder): Promise<RangeJobSummary>
  /**
   * Deletes a job that is over, with its batches and what the database holds of its rows.
   *
   * @throws NonRetryableError `RANGE_JOB_UNKNOWN`; `RANGE_JOB_CONFLICT` for a job that is not over, and for one that was cancelled
   * as long as its scheduler has not called off what is queued: nobody could do so once it is deleted.
   */
  delete(id: string): Promise<void>
}

/** Most missing ranges that are shown of a job. */
const MAX_RANGES = 1_000
/** Rows of results that one statement deletes: some hundred megabytes at most. */
const DELETED_AT_ONCE = 1_000

const COUNTS = BATCH_STATES.map((state) => `count(*) filter (where state = '${state}') as ${state}`).join(', ')

const SUMMARY = `
  select ${RANGE_JOB_COLUMNS}, blocks_per_second, rows_per_second, progress_at, clock_timestamp() as asked_at,
    ${isLedColumn('range_job')}, progress.*
  from blockmill.range_job left join lateral (
    select ${COUNTS},
      (coalesce(sum(to_block - from_block + 1) filter (where state = 'succeeded'), 0))::bigint as done,
      (coalesce(sum(rows) filter (where state = 'succeeded'), 0))::bigint as rows
    from (select state, from_block, to_block, rows from blockmill.range_batch where job = range_job.id) as batch
  ) as progress on true`

const INSERT = `
  insert into blockmill.range_job
    (id, chain, task, from_block, to_block, args, args_hash, batch_size, min_batch, batch_window, queue, priority, max_attempts,
     sink, state, created_by, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

// What was never planned of a cancelled job lies above the highest batch.
const MISSING = `
  with lost as (
    select range_agg(int8range(from_block, to_block, '[]')) as blocks from (
      select from_block, to_block from blockmill.range_batch
      where job = $1 and (state in ('failed', 'cancelled') or $2 and state in ('pending', 'queued'))
      union all
      select * from (
        select coalesce((select to_block + 1 from blockmill.range_batch where job = $1 order by from_block desc limit 1), from_block),
          to_block
        from blockmill.range_job where id = $1 and $2
      ) as rest (from_block, to_block) where from_block <= to_block
    ) as range
  )
  select (select range_agg(one)::text from (select one from unnest(blocks) as one limit ${MAX_RANGES + 1}) as shown) as ranges,
    (select coalesce(sum(upper(one) - lower(one)), 0)::bigint from unnest(blocks) as one) as size
  from lost`

// A batch and its first piece begin with the same block: a page never ends between them.
const BATCHES = `
  select * from (
    select from_block, to_block, number, depth, state, task_id, tries, rows, output, error, dispatched_at, finished_at
    from blockmill.range_batch
    where job = $1 and state = any($2::text[]) and from_block > $3 order by from_block fetch first $4 rows with ties
  ) as page order by from_block, to_block`

// A job that is cancelled has finished when the scheduler has called off its batches; one that goes on has not. Failed batches
// run as a later generation, so that what comes of them counts and not what is on record already.
const ORDER = `
  with moved as (
    update blockmill.range_job set state = $2, note = null, finished_at = null
    where id = $1 and state = any($3::text[]) returning id
  ), retried as (
    update blockmill.range_batch as batch
    set state = '${batchMove('retry-failed').to}', generation = greatest(generation + 1, $4::bigint), max_attempts = null,
      error = null, finished_at = null
    from moved where batch.job = moved.id and $5 and batch.state = any($6::text[])
  )
  select id from moved`

/** The range jobs in a database with the current schema. */
export function createRangeJobs({ query }: Pick<Database, 'query'>): RangeJobs {
  const summary = async (id: string): Promise<RangeJobSummary> => {
    const row = await rowById<SummaryRow>(query, SUMMARY, id)
    if (row === undefined) throw unknown(id)
    return summaryOfRow(row)
  }

  return {
    summary,

    async create(job) {
      await query(INSERT, [
        job.id,
        job.chain,
        job.task,
        job.from,
        job.to,
        JSON.stringify(job.args),
        argsHash(job.args),
        job.batchSize,
        job.minBatch,
        job.window,
        job.queue,
        job.priority,
        job.maxAttempts,
        job.sink,
        job.state,
        job.createdBy,
        job.createdAt,
      ])
    },

    async list({ chain, task, states, before, limit = 100 } = {}) {
      const rows = await query<SummaryRow>(
        `${SUMMARY} where ($1::text is null or chain = $1) and ($2::text is null or task = $2)
           and ($3::text[] is null or state = any($3)) and ($4::uuid is null or id < $4) order by id desc limit $5`,
        [chain ?? null, task ?? null, states === undefined ? null : [...states], before ?? null, limit],
      )
      return rows.map(summaryOfRow)
    },

    async detail(id) {
      const job = await summary(id)
      return { ...job, missing: await readMissing(query, job) }
    },

    async batches(id, { states, after = -1, limit = 100 } = {}) {
      await summary(id)
      const asked = states ?? BATCH_STATES.filter((state) => state !== 'split')
      return (await query<BatchRow>(BATCHES, [id, [...asked], after, limit])).map(batchOfRow)
    },

    async order(id, order) {
      const { from, to } = rangeJobMove(order)
      const isRetry = order === 'retry-failed'
      const moved = isUuid(id)
        ? await query(ORDER, [id, to, [...from], Date.now(), isRetry, [...batchMove('retry-failed').from]])
        : []
      const job = await summary(id)
      if (moved.length > 0 || isSoAlready(order, job.state)) return job
      throw new NonRetryableError(
        'RANGE_JOB_CONFLICT',
        `Range job ${id} is ${job.state}: only one that is ${from.join(' or ')} can ${DONE[order]}.`,
      )
    },

    async delete(id) {
      const { state, chain, finishedAt, batches } = await summary(id)
      if (state === 'cancelled' && finishedAt === null && batches.queued > 0) {
        throw new NonRetryableError(
          'RANGE_JOB_CONFLICT',
          `Range job ${id} is cancelled, and ${batches.queued} of its batches are still queued: the scheduler of chain '${chain}' calls them off. Delete it when that is done, about a second after a scheduler leads.`,
        )
      }
      if (!isRangeJobOver(state)) {
        throw new NonRetryableError(
          'RANGE_JOB_CONFLICT',
          `Range job ${id} is ${state}: only one that is over can be deleted. Cancel it first.`,
        )
      }
      await deleteRows(query, id)
      await query('delete from blockmill.range_job where id = $1', [id])
    },
  }
}

const DONE: Readonly<Record<RangeJobOrder, string>> = {
  pause: 'be paused',
  resume: 'be resumed',
  cancel: 'be cancelled',
  'retry-failed': 'have its failed batches run anew',
}

function isSoAlready(order: RangeJobOrder, state: RangeJobState): boolean {
  const goesOn = state === 'pending' || state === 'running'
  switch (order) {
    case 'pause':
    case 'cancel':
      return state === rangeJobMove(order).to
    case 'resume':
    case 'retry-failed':
      return goesOn
  }
}

interface SummaryRow extends RangeJobRow, Readonly<Record<BatchState, number>> {
  readonly blocks_per_second: number | null
  readonly rows_per_second: number | null
  readonly progress_at: Date | null
  readonly asked_at: Date
  readonly is_led: boolean
  readonly done: number
  readonly rows: number
}

function summaryOfRow(row: SummaryRow): RangeJobSummary {
  const job = rangeJobOfRow(row)
  const { done, rows, pending, queued, succeeded, failed, cancelled, split } = row
  const extent = { state: job.state, done, total: job.to - job.from + 1 }
  const pace = jobPace(extent, { blocksPerSecond: row.blocks_per_second, at: row.progress_at }, row.asked_at)
  return {
    ...job,
    note: job.note ?? waitingForScheduler(job, row.is_led),
    done,
    total: extent.total,
    batches: { pending, queued, succeeded, failed, cancelled, split },
    rows,
    ...pace,
    rowsPerSecond: pace.blocksPerSecond === 0 ? 0 : (row.rows_per_second ?? 0),
  }
}

async function readMissing(query: Query, { id, state }: RangeJobSummary): Promise<RangeJobDetail['missing']> {
  const [row] = await query<{ ranges: string | null; size: number }>(MISSING, [id, state === 'cancelled'])
  const ranges = fromMultirange(row?.ranges ?? '{}')
  return { blocks: row?.size ?? 0, ranges: ranges.slice(0, MAX_RANGES), isCut: ranges.length > MAX_RANGES }
}

interface BatchRow {
  readonly from_block: number
  readonly to_block: number
  readonly number: number
  readonly depth: number
  readonly state: BatchState
  readonly task_id: string
  readonly tries: number
  readonly rows: number | null
  readonly output: Json | null
  readonly error: SerializedError | null
  readonly dispatched_at: Date | null
  readonly finished_at: Date | null
}

function batchOfRow(row: BatchRow): RangeBatch {
  const range = { from: row.from_block, to: row.to_block }
  return {
    ...range,
    id: batchId(row.number, range),
    depth: row.depth,
    state: row.state,
    taskId: row.task_id,
    tries: row.tries,
    rows: row.rows,
    value: readManifest(row.output)?.value,
    error: row.error,
    dispatchedAt: row.dispatched_at,
    finishedAt: row.finished_at,
  }
}

/**
 * In steps, because a statement has 20 seconds, and a job may have gigabytes. Those of files stay: the monitor, which has the folder,
 * removes the files and then them.
 */
async function deleteRows(query: Query, job: string): Promise<void> {
  for (;;) {
    const deleted = await query(
      `delete from blockmill.range_result where ctid = any(array(
         select ctid from blockmill.range_result where job = $1 and file is null limit ${DELETED_AT_ONCE})) returning part`,
      [job],
    )
    if (deleted.length < DELETED_AT_ONCE) return
  }
}

function unknown(id: string): NonRetryableError {
  return new NonRetryableError('RANGE_JOB_UNKNOWN', `No range job with the id ${JSON.stringify(id)} is on record.`)
}

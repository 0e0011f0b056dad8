import { type Database, type Query } from '../database/database.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import { jobPace } from '../job/job-pace.ts'
import { isUuid, rowById } from '../job/row-by-id.ts'
import { isLedColumn, waitingForScheduler } from '../job/waiting-for-scheduler.ts'
import { fromMultirange } from '../range/block-range.ts'
import type { JsonObject } from '../task/json.ts'
import type { TaskState } from '../task/task-state.ts'
import { BACKFILL_JOB_COLUMNS, type BackfillJobRow, jobOfRow } from './backfill-rows.ts'
import type { BackfillJob } from './backfill-job.ts'
import { backfillMove, type BackfillMove, type BackfillState } from './backfill-state.ts'
import type { BackfillDetail, BackfillPart, BackfillSummary, BackfillTasks } from './backfill-view.ts'

/** What a person may order of a job. */
export type BackfillOrder = Extract<BackfillMove, 'pause' | 'resume' | 'cancel'>

export interface BackfillFilter {
  readonly chain?: string | undefined
  readonly task?: string | undefined
  readonly states?: readonly BackfillState[] | undefined
  /** Default 100. */
  readonly limit?: number | undefined
}

/** The back-fill jobs on record: what command line and REST API work with. The scheduler does what they say. */
export interface Backfills {
  /** Puts a job on record; the scheduler that leads its chain picks it up within about a second. */
  create(job: BackfillJob): Promise<void>
  /** The newest first. */
  list(filter?: BackfillFilter): Promise<readonly BackfillSummary[]>
  /** @throws NonRetryableError `BACKFILL_UNKNOWN`. */
  summary(id: string): Promise<BackfillSummary>
  /** Counts tasks as well, which takes about a second for each million. @throws NonRetryableError `BACKFILL_UNKNOWN`. */
  detail(id: string): Promise<BackfillDetail>
  /**
   * Pauses, resumes or cancels a job. The scheduler follows within about a second. What is so already stays so.
   *
   * @throws NonRetryableError `BACKFILL_UNKNOWN`; `BACKFILL_CONFLICT` when the job's state does not allow it.
   */
  order(id: string, order: BackfillOrder): Promise<BackfillSummary>
}

/** Most missing ranges that are shown of a part, and most parts of a job. */
const MAX_RANGES = 100
const MAX_PARTS = 1_000

const SIZE_OF = (set: string): string => `(select coalesce(sum(upper(one) - lower(one)), 0) from unnest(${set}) as one)`

const SUMMARY = `
  select ${BACKFILL_JOB_COLUMNS}, blocks_per_second, progress_at, clock_timestamp() as asked_at,
    ${isLedColumn('backfill')}, parts.done::bigint, parts.total::bigint, coalesce(parts.scheduled, 0)::bigint as scheduled
  from blockmill.backfill left join lateral (
    select sum(${SIZE_OF('evaluated')}) as done, sum(${SIZE_OF('target')}) as total, sum(scheduled) as scheduled
    from blockmill.backfill_part where backfill = backfill.id
  ) as parts on true`

const INSERT = `
  insert into blockmill.backfill
    (id, chain, task, head, from_block, to_block, args, chunk, task_window, rate, force, generation, state, created_by, created_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

const PARTS = `
  select args_hash, args, scheduled, ${SIZE_OF('evaluated')}::bigint as done, ${SIZE_OF('target')}::bigint as total,
    (select range_agg(one) from (select one from unnest(target - evaluated) as one limit ${MAX_RANGES + 1}) as shown)::text as missing
  from blockmill.backfill_part where backfill = $1 order by args::text limit ${MAX_PARTS}`

const tasksOf = (states: string): string => `
  select status, count(*) as count from blockmill.task join blockmill.backfill_part as part
    on part.backfill = $1 and task.args_hash = part.args_hash and part.target @> task.block_number
  where task.chain = $2 and task.name = $3 and task.generation >= $4 and task.id between $5::uuid and $6::uuid
    and status in (${states})
  group by status`

// Ids sort by block, and the states are those of the partial indexes: what is not done costs the same however much is.
const COUNT_TASKS = [
  "'scheduled', 'running', 'retrying', 'postponed'",
  "'cancelled', 'orphaned', 'failed', 'dead'",
  "'succeeded'",
]
  .map(tasksOf)
  .join(' union all ')

const GROUP: Readonly<Record<TaskState, keyof BackfillTasks>> = {
  scheduled: 'unfinished',
  running: 'unfinished',
  retrying: 'unfinished',
  postponed: 'unfinished',
  cancelled: 'dropped',
  orphaned: 'dropped',
  failed: 'failed',
  dead: 'failed',
  succeeded: 'succeeded',
}

/** The back-fill jobs in a database with the current schema. */
export function createBackfills({ query }: Pick<Database, 'query'>): Backfills {
  const summary = async (id: string): Promise<BackfillSummary> => {
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
        job.head,
        job.from,
        job.to,
        job.args === null ? null : JSON.stringify(job.args),
        job.chunk,
        job.window,
        job.rate,
        job.force,
        job.generation,
        job.state,
        job.createdBy,
        job.createdAt,
      ])
    },

    async list({ chain, task, states, limit = 100 } = {}) {
      const rows = await query<SummaryRow>(
        `${SUMMARY} where ($1::text is null or chain = $1) and ($2::text is null or task = $2)
           and ($3::text[] is null or state = any($3)) order by id desc limit $4`,
        [chain ?? null, task ?? null, states === undefined ? null : [...states], limit],
      )
      return rows.map(summaryOfRow)
    },

    async detail(id) {
      const job = await summary(id)
      const [parts, tasks] = await Promise.all([readParts(query, id), countTasks(query, job)])
      return { ...job, parts, tasks }
    },

    async order(id, order) {
      const { from, to } = backfillMove(order)
      // A job that is cancelled for good has finished; one that goes on has not.
      const moved = isUuid(id)
        ? await query(
            `update blockmill.backfill set state = $2, error = null,
               finished_at = case when $2 = 'cancelled' then clock_timestamp() end
             where id = $1 and state = any($3::text[]) returning id`,
            [id, to, [...from]],
          )
        : []
      const job = await summary(id)
      if (moved.length > 0 || job.state === to || (order === 'resume' && job.state === 'running')) return job
      throw new NonRetryableError(
        'BACKFILL_CONFLICT',
        `Back-fill ${id} is ${job.state}: only one that is ${from.join(' or ')} can be ${PARTICIPLE[order]}.`,
      )
    },
  }
}

const PARTICIPLE: Readonly<Record<BackfillOrder, string>> = {
  pause: 'paused',
  resume: 'resumed',
  cancel: 'cancelled',
}

interface SummaryRow extends BackfillJobRow {
  readonly blocks_per_second: number | null
  readonly progress_at: Date | null
  readonly asked_at: Date
  readonly is_led: boolean
  readonly done: number | null
  readonly total: number | null
  readonly scheduled: number
}

function summaryOfRow(row: SummaryRow): BackfillSummary {
  const job = jobOfRow(row)
  // A job that has started without any set of arguments is for no block.
  const total = row.total ?? (job.startedAt === null ? null : 0)
  const progress = { state: job.state, done: row.done ?? 0, total }
  const reported = { blocksPerSecond: row.blocks_per_second, at: row.progress_at }
  return {
    ...job,
    error: job.error ?? waitingForScheduler(job, row.is_led),
    ...progress,
    scheduled: row.scheduled,
    ...jobPace(progress, reported, row.asked_at),
  }
}

interface PartRow {
  readonly args_hash: string
  readonly args: JsonObject
  readonly scheduled: number
  readonly done: number
  readonly total: number
  readonly missing: string | null
}

async function readParts(query: Query, id: string): Promise<BackfillPart[]> {
  const rows = await query<PartRow>(PARTS, [id])
  return rows.map((row) => {
    const missing = fromMultirange(row.missing ?? '{}')
    return {
      argsHash: row.args_hash,
      args: row.args,
      done: row.done,
      total: row.total,
      scheduled: row.scheduled,
      missing: { ranges: missing.slice(0, MAX_RANGES), isCut: missing.length > MAX_RANGES },
    }
  })
}

async function countTasks(query: Query, job: BackfillJob): Promise<BackfillTasks> {
  const params = [job.id, job.chain, job.task, job.generation, ...idsOfBlocks(job.from, job.to)]
  const rows = await query<{ status: TaskState; count: number }>(COUNT_TASKS, params)
  const tasks = { succeeded: 0, unfinished: 0, failed: 0, dropped: 0 }
  for (const { status, count } of rows) tasks[GROUP[status]] += count
  return tasks
}

/** The lowest and the highest id that tasks of these blocks can have. */
function idsOfBlocks(from: number, to: number): [string, string] {
  const prefix = (block: number): string =>
    Math.min(block, 2 ** 48 - 1)
      .toString(16)
      .padStart(12, '0')
  const id = (block: number, rest: string): string =>
    `${prefix(block).slice(0, 8)}-${prefix(block).slice(8)}-${rest.repeat(4)}-${rest.repeat(4)}-${rest.repeat(12)}`
  return [id(from, '0'), id(to, 'f')]
}

function unknown(id: string): NonRetryableError {
  return new NonRetryableError('BACKFILL_UNKNOWN', `No back-fill with the id ${JSON.stringify(id)} is on record.`)
}

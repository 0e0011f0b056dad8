import type { ResultSinkName } from '../results/result-sink.ts'
import type { JsonObject } from '../task/json.ts'
import type { RangeJobState } from './job-state.ts'
import type { RangeJob } from './range-job.ts'

/** The columns of a job, as `rangeJobOfRow` reads them. */
export const RANGE_JOB_COLUMNS = `id, chain, task, from_block, to_block, args, batch_size, min_batch, batch_window, queue,
  priority, max_attempts, sink, state, note, created_by, created_at, started_at, finished_at`

/** A row of `blockmill.range_job`. */
export interface RangeJobRow {
  readonly id: string
  readonly chain: string
  readonly task: string
  readonly from_block: number
  readonly to_block: number
  readonly args: JsonObject
  readonly batch_size: number | null
  readonly min_batch: number | null
  readonly batch_window: number | null
  readonly queue: string | null
  readonly priority: number | null
  readonly max_attempts: number | null
  readonly sink: ResultSinkName
  readonly state: RangeJobState
  readonly note: string | null
  readonly created_by: string
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
}

/** The job that a row holds. */
export function rangeJobOfRow(row: RangeJobRow): RangeJob {
  return {
    id: row.id,
    chain: row.chain,
    task: row.task,
    from: row.from_block,
    to: row.to_block,
    args: row.args,
    batchSize: row.batch_size,
    minBatch: row.min_batch,
    window: row.batch_window,
    queue: row.queue,
    priority: row.priority,
    maxAttempts: row.max_attempts,
    sink: row.sink,
    state: row.state,
    note: row.note,
    createdBy: row.created_by,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  }
}

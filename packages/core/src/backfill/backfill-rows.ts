import type { Head } from '../chain/chain-source.ts'
import type { JsonObject } from '../task/json.ts'
import type { BackfillJob } from './backfill-job.ts'
import type { BackfillState } from './backfill-state.ts'

/** The columns of a job, as `jobOfRow` reads them. */
export const BACKFILL_JOB_COLUMNS = `id, chain, task, head, from_block, to_block, args, chunk, task_window, rate, force,
  generation, state, created_by, created_at, started_at, finished_at, error`

/** A row of `blockmill.backfill`. */
export interface BackfillJobRow {
  readonly id: string
  readonly chain: string
  readonly task: string
  readonly head: Head
  readonly from_block: number
  readonly to_block: number
  readonly args: JsonObject | null
  readonly chunk: number | null
  readonly task_window: number | null
  readonly rate: number | null
  readonly force: boolean
  readonly generation: number
  readonly state: BackfillState
  readonly created_by: string
  readonly created_at: Date
  readonly started_at: Date | null
  readonly finished_at: Date | null
  readonly error: string | null
}

/** The job that a row holds. */
export function jobOfRow(row: BackfillJobRow): BackfillJob {
  return {
    id: row.id,
    chain: row.chain,
    task: row.task,
    head: row.head,
    from: row.from_block,
    to: row.to_block,
    args: row.args,
    chunk: row.chunk,
    window: row.task_window,
    rate: row.rate,
    force: row.force,
    generation: row.generation,
    state: row.state,
    createdBy: row.created_by,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    error: row.error,
  }
}

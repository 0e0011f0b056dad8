import {
  type CancelledTask,
  FINAL_STATES,
  type Lane,
  type LaneState,
  MAX_STATE_CANCELS,
  MAX_STATE_LANES,
  type Query,
} from '@blockmill/core'

import { type Column, columnNames, columnValues, selectColumns } from '../recorder/column.ts'

/** A task whose cancel is older has been met by a worker, or never will be. */
const CANCELS_KEPT_MS = 24 * 60 * 60 * 1_000

/** An order to call a task off. */
export interface CancelRequest {
  readonly taskId: string
  /** Unix milliseconds. */
  readonly requestedAt: number
  readonly requestedBy: string
}

const LANE_COLUMNS: readonly Column<LaneState>[] = [
  { name: 'queue', type: 'text', value: ({ queue }) => queue },
  { name: 'lane', type: 'text', value: ({ lane }) => lane },
  { name: 'paused', type: 'boolean', value: ({ paused }) => String(paused) },
  { name: 'changed_at', type: 'timestamptz', value: ({ changedAt }) => changedAt },
  { name: 'changed_by', type: 'text', value: ({ changedBy }) => changedBy },
]

const UPSERT_LANES = `
insert into blockmill.queue_state as present (${columnNames(LANE_COLUMNS)})
${selectColumns(LANE_COLUMNS)}
on conflict (queue, lane) do update set
  paused = excluded.paused, changed_at = excluded.changed_at, changed_by = excluded.changed_by
where excluded.changed_at > present.changed_at`

const CANCEL_COLUMNS: readonly Column<CancelRequest>[] = [
  { name: 'task_id', type: 'uuid', value: ({ taskId }) => taskId },
  { name: 'requested_at', type: 'timestamptz', value: ({ requestedAt }) => requestedAt },
  { name: 'requested_by', type: 'text', value: ({ requestedBy }) => requestedBy },
]

const UPSERT_CANCELS = `
insert into blockmill.cancel_request as present (${columnNames(CANCEL_COLUMNS)})
${selectColumns(CANCEL_COLUMNS)}
on conflict (task_id) do update set requested_at = excluded.requested_at, requested_by = excluded.requested_by
where excluded.requested_at > present.requested_at`

const READ_LANES = `
select queue, lane, paused, changed_at, changed_by from blockmill.queue_state
order by paused desc, changed_at desc limit ${MAX_STATE_LANES}`

const ENDED = FINAL_STATES.filter((state) => state !== 'orphaned')

// Tasks that have ended need no cancel any more, but for those that are orphaned: their messages may still wait in a queue. One
// that was replayed since then is not meant: workers compare the times.
const READ_CANCELS = `
select task_id, requested_at from blockmill.cancel_request as request
where requested_at > $1 and not exists (
  select from blockmill.task where task.id = request.task_id and task.status in ('${ENDED.join(`', '`)}'))
order by requested_at desc limit ${MAX_STATE_CANCELS}`

/** Stores whether lanes are paused, where that is newer than what is stored. */
export async function storeLanes(query: Query, states: readonly LaneState[]): Promise<void> {
  await query(UPSERT_LANES, columnValues(LANE_COLUMNS, states))
}

/** Stores which tasks were called off. */
export async function storeCancels(query: Query, requests: readonly CancelRequest[]): Promise<void> {
  await query(UPSERT_CANCELS, columnValues(CANCEL_COLUMNS, requests))
}

/** Lanes that are or were paused, those paused now first. */
export async function readLanes(query: Query): Promise<LaneState[]> {
  const rows = await query<{ queue: string; lane: Lane; paused: boolean; changed_at: Date; changed_by: string }>(
    READ_LANES,
  )
  return rows.map(({ queue, lane, paused, changed_at, changed_by }) => ({
    queue,
    lane,
    paused,
    changedAt: changed_at.getTime(),
    changedBy: changed_by,
  }))
}

/** Tasks that were called off within the last day and have not ended, the latest first. */
export async function readCancels(query: Query, now: Date): Promise<CancelledTask[]> {
  const rows = await query<{ task_id: string; requested_at: Date }>(READ_CANCELS, [oldestCancel(now)])
  return rows.map(({ task_id, requested_at }) => ({ taskId: task_id, cancelledAt: requested_at.getTime() }))
}

/** Deletes cancels that nobody needs any more. */
export async function forgetCancels(query: Query, now: Date): Promise<void> {
  await query('delete from blockmill.cancel_request where requested_at <= $1', [oldestCancel(now)])
}

function oldestCancel(now: Date): Date {
  return new Date(now.getTime() - CANCELS_KEPT_MS)
}

import { type Database, TaskEntity } from '@blockmill/core'

import { taskConditions } from './task-filter.ts'
import type { TaskListQuery, TaskSummary } from './task-schemas.ts'
import { commonOf } from './task-view.ts'

/** One page of tasks, and where the next one begins. */
export interface TaskPage {
  readonly tasks: TaskSummary[]
  readonly nextCursor?: string
}

const DEFAULT_LIMIT = 50

// Columns by name: results can be a quarter of a megabyte each, and a list does not show them.
const SUMMARY = `
  id, chain, name, queue, lane, priority, block_number, block_hash, range_from, range_to, args, args_hash, cause, status,
  generation, attempt, max_attempts, postpones, scheduled_at, changed_at, started_at, finished_at, next_attempt_at, worker,
  reason, fingerprint, progress_done, progress_total, progress_at,
  case when error is not null then
    jsonb_build_object('name', error ->> 'name', 'message', left(error ->> 'message', 500)) end as error`

/**
 * Lists tasks by keyset: the cursor is the last id of the page before, so a page costs the same however deep it is, and
 * nothing is shown twice or left out while the record grows.
 */
export async function listTasks(database: Database, filter: TaskListQuery): Promise<TaskPage> {
  const { order = 'desc', limit = DEFAULT_LIMIT, cursor, ...rest } = filter
  const conditions = taskConditions(rest)
  if (cursor !== undefined) conditions.add(order === 'desc' ? 'id < ?::uuid' : 'id > ?::uuid', cursor)
  const rows = await database.query<{ id: string }>(
    `select ${SUMMARY} from blockmill.task ${conditions.where()} order by id ${order} limit ${limit + 1}`,
    conditions.params,
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  const em = database.em()
  const tasks = page.map((row) => {
    const task = em.map(TaskEntity, row)
    return { ...commonOf(task), error: task.error }
  })
  return { tasks, ...(rows.length > limit && last !== undefined && { nextCursor: last.id }) }
}

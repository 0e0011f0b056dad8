import { type Database, TaskEntity } from '@blockmill/core'

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

/** Which filter means which condition; `?` stands for the parameter. */
const CONDITIONS: Readonly<Record<Exclude<keyof TaskListQuery, 'order' | 'limit' | 'cursor'>, string>> = {
  status: 'status = any(?::text[])',
  name: 'name = ?',
  queue: 'queue = ?',
  chain: 'chain = ?',
  fingerprint: 'fingerprint = ?',
  blockFrom: 'block_number >= ?::bigint',
  blockTo: 'block_number <= ?::bigint',
  scheduledFrom: 'scheduled_at >= ?::timestamptz',
  scheduledTo: 'scheduled_at <= ?::timestamptz',
  finishedFrom: 'finished_at >= ?::timestamptz',
  finishedTo: 'finished_at <= ?::timestamptz',
}

/**
 * Lists tasks by keyset: the cursor is the last id of the page before, so a page costs the same however deep it is, and
 * nothing is shown twice or left out while the record grows.
 */
export async function listTasks(database: Database, filter: TaskListQuery): Promise<TaskPage> {
  const { order = 'desc', limit = DEFAULT_LIMIT, cursor } = filter
  const params: unknown[] = []
  const where = (condition: string, value: unknown): string => {
    params.push(value)
    return condition.replace('?', `$${params.length}`)
  }
  const conditions = Object.entries(CONDITIONS).flatMap(([key, condition]) => {
    const value = filter[key as keyof typeof CONDITIONS]
    return value === undefined ? [] : [where(condition, value)]
  })
  // The planner sees that a partial index serves only when the states are in the text of the statement.
  conditions.push(...impliedStates(filter.status))
  if (cursor !== undefined) conditions.push(where(order === 'desc' ? 'id < ?::uuid' : 'id > ?::uuid', cursor))
  const rows = await database.query<{ id: string }>(
    `select ${SUMMARY} from blockmill.task
     ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
     order by id ${order} limit ${limit + 1}`,
    params,
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

const UNFINISHED = ['scheduled', 'running', 'retrying', 'postponed']
const UNSUCCESSFUL = ['cancelled', 'orphaned', 'failed', 'dead']

/** The predicates of the partial indexes, where the wanted states imply them. */
function impliedStates(states: TaskListQuery['status']): string[] {
  const predicate = [UNFINISHED, UNSUCCESSFUL].find((set) => states?.every((state) => set.includes(state)))
  if (states === undefined || states.length === 0 || predicate === undefined) return []
  return [`status in ('${predicate.join(`', '`)}')`]
}

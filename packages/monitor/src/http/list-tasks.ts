import { type Database, type Query, TaskEntity } from '@blockmill/core'

import { cursorOf, parseCursor } from './task-cursor.ts'
import { partialIndexStates, taskConditions, type TaskFilter } from './task-filter.ts'
import { type Candidates, planTaskScan, type TaskOrder, type TaskScan } from './task-scan.ts'
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
 * Lists tasks by keyset: the cursor is the place of the last task of the page before, so a page costs the same however deep it is,
 * and nothing is shown twice or left out while the record grows. What a page may cost is bounded, see `planTaskScan`.
 *
 * @throws an error with the status 400 when the cursor is not one of such a list.
 */
export async function listTasks(database: Database, listQuery: TaskListQuery): Promise<TaskPage> {
  const { order = 'desc', limit = DEFAULT_LIMIT, cursor, ...filter } = listQuery
  const scan = planTaskScan(filter, await readCandidates(database.query, filter))
  if (scan === undefined) return { tasks: [] }
  const statement = scanStatement(scan, { order, cursor })
  const rows = await database.query<PositionRow>(statement.page(limit + 1), statement.params())
  const page = rows.slice(0, limit)
  const em = database.em()
  const tasks = page.map(({ position: _, ...row }) => {
    const task = em.map(TaskEntity, row)
    return { ...commonOf(task), error: task.error }
  })
  const isFull = rows.length > limit
  const last = isFull ? page.at(-1) : await endOfScan(database.query, scan, statement)
  return { tasks, ...(last !== undefined && { nextCursor: cursorOf(last.position, last.id) }) }
}

interface PositionRow {
  readonly id: string
  /** The time that the list is in the order of; null when it is by id. */
  readonly position: string | null
}

interface ScanStatement {
  /** Tasks that fit, with their positions. */
  page(rows: number): string
  /** The position of the last task that was read when no more might be. */
  end(most: number): string
  params(): readonly unknown[]
  readParams(): readonly unknown[]
}

// The inner select is done as it stands, with its own order and limit: a plan that the planner likes better may read everything.
function scanStatement(
  { read, check, orderBy, most, isCovered }: TaskScan,
  { order, cursor }: { readonly order: 'asc' | 'desc'; readonly cursor: string | undefined },
): ScanStatement {
  const readParams: unknown[] = []
  const reading = taskConditions(read, readParams)
  addCursor(reading, orderBy, order, cursor)
  const params = [...readParams]
  const checking = taskConditions(check, params)
  const ordered = orderBy === 'id' ? `order by id ${order}` : `order by ${orderBy} ${order}, id ${order}`
  const readable = `blockmill.task ${reading.where()}`
  const tasks =
    most !== undefined
      ? `select * from ${readable} ${ordered} limit ${most}`
      : isCovered
        ? `select * from blockmill.task where id = any (array(select id from ${readable}))`
        : `select * from ${readable} offset 0`
  const position = orderBy === 'id' ? 'null' : timeText(orderBy)
  return {
    page: (rows) => `
      select ${SUMMARY}, ${position} as position from blockmill.task where id = any (array(
        select id from (${tasks}) as task ${checking.where()}
        ${ordered} limit ${rows})) ${ordered}`,
    end: (mostRead) => `select id, ${position} as position from ${readable} ${ordered} offset ${mostRead - 1} limit 1`,
    params: () => params,
    readParams: () => readParams,
  }
}

function addCursor(
  conditions: ReturnType<typeof taskConditions>,
  orderBy: TaskOrder,
  order: 'asc' | 'desc',
  cursor: string | undefined,
): void {
  if (cursor === undefined) return
  const { time, id } = parseCursor(cursor, { hasTime: orderBy !== 'id' })
  const behind = order === 'desc' ? '<' : '>'
  if (time === undefined) conditions.add(`id ${behind} ?::uuid`, id)
  // One parameter of both, as the conditions have it.
  else conditions.add(`(${orderBy}, id) ${behind} ((?::text[])[1]::timestamptz, (?::text[])[2]::uuid)`, [time, id])
}

// With all digits that the database has: to the millisecond, tasks would be left out.
function timeText(column: TaskOrder): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
}

/** Where the next page goes on when the scan ended before the page was full; `undefined` when everything was read. */
async function endOfScan(query: Query, { most }: TaskScan, statement: ScanStatement): Promise<PositionRow | undefined> {
  if (most === undefined) return undefined
  const [last] = await query<PositionRow>(statement.end(most), statement.readParams())
  return last
}

const COUNT = `
  select
    sum(count) filter (where ($1::text is null or chain = $1) and ($2::text is null or name = $2)
      and ($3::text[] is null or status = any($3)))::bigint as matching,
    sum(count) filter (where name = $2)::bigint as named,
    sum(count) filter (where status = any($4::text[]))::bigint as "inIndex"
  from blockmill.task_count`

async function readCandidates(query: Query, { chain, name, status }: TaskFilter): Promise<Candidates> {
  const [counts] =
    chain === undefined && name === undefined && status === undefined
      ? []
      : await query<{ [Key in keyof Candidates]: number | null }>(COUNT, [
          chain ?? null,
          name ?? null,
          status ?? null,
          partialIndexStates(status) ?? null,
        ])
  if (counts === undefined) {
    return { matching: Number.POSITIVE_INFINITY, named: Number.POSITIVE_INFINITY, inIndex: Number.POSITIVE_INFINITY }
  }
  return {
    matching: counts.matching ?? 0,
    named: name === undefined ? Number.POSITIVE_INFINITY : (counts.named ?? 0),
    inIndex: counts.inIndex ?? 0,
  }
}

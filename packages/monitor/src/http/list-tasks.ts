import type { Database, Query } from '@blockmill/core'

import { cursorOf, parseCursor } from './task-cursor.ts'
import { partialIndexStates, taskConditions, type TaskFilter } from './task-filter.ts'
import { type Candidates, MOST_READ, planTaskScan, type TaskOrder, type TaskScan } from './task-scan.ts'
import type { TaskListQuery, TaskSummary } from './task-schemas.ts'
import { COMMON_PROPERTIES, commonOf, type CommonRow } from './task-view.ts'

/** One page of tasks, and where the next one begins. */
export interface TaskPage {
  readonly tasks: TaskSummary[]
  readonly nextCursor?: string
}

const DEFAULT_LIMIT = 50
const MANY = Number.POSITIVE_INFINITY

// Columns by name: results can be a quarter of a megabyte each, and a list does not show them. As they are needed, because to make
// entities of the rows takes most of the time of a long page.
const SUMMARY = `
  ${COMMON_PROPERTIES.map((property) => `${columnOf(property)} as "${property}"`).join(', ')},
  case when error is not null then
    jsonb_build_object('name', error ->> 'name', 'message', left(error ->> 'message', 500)) end as error`

/**
 * Lists tasks by keyset: the cursor is the place of the last task of the page before, so a page costs the same however deep it is,
 * and nothing is shown twice or left out while the record grows. What a page may cost is bounded, see `planTaskScan`.
 *
 * @throws an error with the status 400 when the cursor is not one of such a list.
 */
export async function listTasks(database: Pick<Database, 'query'>, listQuery: TaskListQuery): Promise<TaskPage> {
  const { order = 'desc', limit = DEFAULT_LIMIT, cursor, ...filter } = listQuery
  const scan = planTaskScan(filter, await readCandidates(database.query, filter))
  if (scan === undefined) return { tasks: [] }
  const statement = scanStatement(scan, { order, cursor })
  const rows = await database.query<SummaryRow>(statement.page(limit + 1), statement.params())
  const page = rows.slice(0, limit)
  const tasks = page.map((row) => ({ ...commonOf(row), error: row.error }))
  const isFull = rows.length > limit
  const last = isFull ? page.at(-1) : await endOfScan(database.query, scan, statement)
  return { tasks, ...(last !== undefined && { nextCursor: cursorOf(last.position, last.id) }) }
}

interface PositionRow {
  readonly id: string
  /** The time that the list is in the order of; null when it is by id. */
  readonly position: string | null
}

interface SummaryRow extends CommonRow, PositionRow {
  readonly id: string
  readonly error: TaskSummary['error']
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

function columnOf(property: string): string {
  return property.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

const COUNT = `
  select
    sum(count) filter (where ($1::text is null or chain = $1) and ($2::text is null or name = $2)
      and ($3::text[] is null or status = any($3)))::bigint as matching,
    sum(count) filter (where name = $2)::bigint as named,
    sum(count) filter (where status = any($4::text[]))::bigint as "inIndex"
  from blockmill.task_count`

// From the index alone, and no further than it matters.
const COUNT_QUEUED = `
  select count(*) as queued from (select from blockmill.task where queue = $1 limit ${MOST_READ + 1}) as task`

async function readCandidates(query: Query, filter: TaskFilter): Promise<Candidates> {
  const { chain, name, status, queue } = filter
  const all = { matching: MANY, named: MANY, queued: MANY, inIndex: MANY }
  const [[counted], [queued]] = await Promise.all([
    (chain ?? name ?? status) === undefined
      ? []
      : query<{ [Key in 'matching' | 'named' | 'inIndex']: number | null }>(COUNT, [
          chain ?? null,
          name ?? null,
          status ?? null,
          partialIndexStates(status) ?? null,
        ]),
    queue === undefined ? [] : query<{ queued: number }>(COUNT_QUEUED, [queue]),
  ])
  return {
    ...all,
    ...(counted !== undefined && {
      matching: counted.matching ?? 0,
      named: name === undefined ? MANY : (counted.named ?? 0),
      inIndex: counted.inIndex ?? 0,
    }),
    ...queued,
  }
}

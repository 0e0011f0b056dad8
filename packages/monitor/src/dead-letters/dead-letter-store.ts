import type { JsonObject, Query } from '@blockmill/core'

/** Which dead letters are meant; those that fit all of it. */
export interface DeadLetterFilter {
  readonly reason?: string | undefined
  /** The logical queue (`default`), or the broker's queue (`blockmill.work.default.normal`), that it came from. */
  readonly queue?: string | undefined
  readonly task?: string | undefined
}

/** A dead letter without its content. */
export interface DeadLetterSummary {
  readonly id: string
  readonly receivedAt: Date
  readonly queue: string | null
  readonly reason: string
  readonly error: string | null
  readonly type: string | null
  readonly chain: string | null
  readonly task: string | null
  /** Its first task. */
  readonly taskId: string | null
  /** Length of the body. */
  readonly bytes: number
}

/** A dead letter as it came. */
export interface StoredDeadLetter extends DeadLetterSummary {
  readonly headers: JsonObject
  readonly body: Buffer
}

/** Behind which letter a page begins: when that came, in microseconds as ISO 8601, and its id. */
export interface DeadLetterPosition {
  readonly time: string
  readonly id: string
}

const DEFAULT_LIMIT = 50

const SUMMARY = `
  id, received_at as "receivedAt", queue, reason, error, type, chain, task, task_id as "taskId",
  length(body) as bytes`

// A Date has no microseconds.
const TIME = `to_char(received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** A page of letters, those that came last first. */
export async function listDeadLetters(
  query: Query,
  filter: DeadLetterFilter & { readonly before?: DeadLetterPosition | undefined; readonly limit?: number | undefined },
): Promise<{ readonly letters: DeadLetterSummary[]; readonly next?: DeadLetterPosition }> {
  const { before, limit = DEFAULT_LIMIT } = filter
  const { conditions, params } = conditionsOf(filter)
  if (before !== undefined) {
    params.push(before.time, before.id)
    conditions.push(`(received_at, id) < ($${params.length - 1}::timestamptz, $${params.length}::uuid)`)
  }
  const rows = await query<DeadLetterSummary & DeadLetterPosition>(
    `select ${SUMMARY}, ${TIME} as time from blockmill.dead_letter ${where(conditions)}
     order by received_at desc, id desc limit ${limit + 1}`,
    params,
  )
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    letters: page.map(({ time: _time, ...letter }) => letter),
    ...(rows.length > limit && last !== undefined && { next: { time: last.time, id: last.id } }),
  }
}

/** One letter with its content; `undefined` when there is none of this id. */
export async function findDeadLetter(query: Query, id: string): Promise<StoredDeadLetter | undefined> {
  const [letter] = await query<StoredDeadLetter>(
    `select ${SUMMARY}, headers, body from blockmill.dead_letter where id = $1`,
    [id],
  )
  return letter
}

/** As `findDeadLetter`, and nobody else deletes or replays it until the transaction ends. */
export async function lockDeadLetter(query: Query, id: string): Promise<StoredDeadLetter | undefined> {
  const [letter] = await query<StoredDeadLetter>(
    `select ${SUMMARY}, headers, body from blockmill.dead_letter where id = $1 for update`,
    [id],
  )
  return letter
}

/** Ids of the letters that fit, the oldest first. */
export async function idsOfDeadLetters(query: Query, filter: DeadLetterFilter, limit: number): Promise<string[]> {
  const { conditions, params } = conditionsOf(filter)
  const rows = await query<{ id: string }>(
    `select id from blockmill.dead_letter ${where(conditions)} order by received_at, id limit ${limit}`,
    params,
  )
  return rows.map(({ id }) => id)
}

/** How many letters fit. */
export async function countDeadLetters(query: Query, filter: DeadLetterFilter): Promise<number> {
  const { conditions, params } = conditionsOf(filter)
  const [row] = await query<{ count: number }>(
    `select count(*) as count from blockmill.dead_letter ${where(conditions)}`,
    params,
  )
  return row?.count ?? 0
}

/** @returns how many of the letters were there. */
export async function deleteDeadLetters(query: Query, ids: readonly string[]): Promise<number> {
  const rows = await query('delete from blockmill.dead_letter where id = any($1::uuid[]) returning id', [ids])
  return rows.length
}

function conditionsOf({ reason, queue, task }: DeadLetterFilter): { conditions: string[]; params: unknown[] } {
  const conditions: string[] = []
  const params: unknown[] = []
  const add = (value: string | undefined, condition: (parameter: string) => string): void => {
    if (value === undefined) return
    params.push(value)
    conditions.push(condition(`$${params.length}`))
  }
  add(reason, (parameter) => `reason = ${parameter}`)
  add(task, (parameter) => `task = ${parameter}`)
  // Queue names have no dots, and the broker's names have the lane behind the last.
  add(queue, (parameter) => `${parameter} in (queue, split_part(queue, '.', 3))`)
  return { conditions, params }
}

function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`
}

import type { Query } from '@blockmill/core'

import { type TaskFilter, taskConditions } from '../http/task-filter.ts'

/** How many tasks fit a filter, counted up to `limit`. */
export async function countTasks(query: Query, filter: TaskFilter, limit: number): Promise<number> {
  const conditions = taskConditions(filter)
  const [row] = await query<{ count: number }>(
    `select count(*) as count from (select from blockmill.task ${conditions.where()} limit ${limit}) as fitting`,
    conditions.params,
  )
  return row?.count ?? 0
}

/** Ids of tasks that fit a filter, ascending, from behind `after` on. */
export async function selectTaskIds(
  query: Query,
  filter: TaskFilter,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<string[]> {
  const conditions = taskConditions(filter)
  if (after !== undefined) conditions.add('id > ?::uuid', after)
  const rows = await query<{ id: string }>(
    `select id from blockmill.task ${conditions.where()} order by id limit ${limit}`,
    conditions.params,
  )
  return rows.map(({ id }) => id)
}

/** Most tasks of one batch. */
export const SELECT_BATCH = 500

/** Ids by filter, a batch at a time: each task once, also when what is done to it makes it fit no more, or again. */
export async function* tasksByFilter(
  query: Query,
  filter: TaskFilter,
  limit: number,
): AsyncIterable<readonly string[]> {
  let after: string | undefined
  for (let left = limit; left > 0;) {
    const ids = await selectTaskIds(query, filter, { after, limit: Math.min(SELECT_BATCH, left) })
    if (ids.length === 0) return
    yield ids
    after = ids.at(-1)
    left -= ids.length
  }
}

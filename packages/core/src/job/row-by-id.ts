import type { Query } from '../database/database.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for what PostgreSQL can look up as a `uuid`. */
export function isUuid(id: string): boolean {
  return UUID.test(id)
}

/**
 * The row with an id that somebody has typed; `undefined` when there is none, or it is no id.
 *
 * @param select a statement that a condition on the column `id` may follow.
 */
export async function rowById<Row extends object>(query: Query, select: string, id: string): Promise<Row | undefined> {
  if (!isUuid(id)) return undefined
  const [row] = await query<Row>(`${select} where id = $1`, [id])
  return row
}

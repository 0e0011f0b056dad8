import type { Query } from '@blockmill/core'

/** How far back finished tasks are counted. */
const WINDOW_SECONDS = 5 * 60

const FINISHED = `
  select count(*) as count from blockmill.task
  where finished_at > now() - $2 * interval '1 second' and queue = $1`

/** Tasks of a queue that ended in a second, over the last five minutes; `undefined` when none did. */
export async function currentRate(query: Query, queue: string): Promise<number | undefined> {
  const [finished] = await query<{ count: number }>(FINISHED, [queue, WINDOW_SECONDS])
  return finished === undefined || finished.count === 0 ? undefined : finished.count / WINDOW_SECONDS
}

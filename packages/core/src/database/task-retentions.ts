import type { TaskRetention } from '../task/retention.ts'
import type { ExecutionDefinition } from '../task/task-execution.ts'
import type { Query } from './database.ts'

/** How long the tasks of one definition are kept. */
export interface RecordedRetention extends TaskRetention {
  readonly chain: string
  readonly task: string
}

// In the database -1 is for ever, and null as the monitor is set.
const STORE = `
with given as (
  select * from unnest($2::text[], $3::bigint[], $4::bigint[]) as one (task, succeeded_ms, failed_ms)
), dropped as (
  delete from blockmill.task_retention as present using given
  where present.chain = $1 and present.task = given.task and given.succeeded_ms is null and given.failed_ms is null
)
insert into blockmill.task_retention (chain, task, succeeded_ms, failed_ms)
select $1, task, succeeded_ms, failed_ms from given where succeeded_ms is not null or failed_ms is not null
on conflict (chain, task) do update set succeeded_ms = excluded.succeeded_ms, failed_ms = excluded.failed_ms`

/**
 * Puts on record for how long tasks of these definitions are kept, for the monitor, which does not load definitions. What was
 * recorded for definitions that are gone stays: their tasks are still there.
 */
export async function storeRetentions(
  query: Query,
  chain: string,
  definitions: readonly Pick<ExecutionDefinition, 'name' | 'retention'>[],
): Promise<void> {
  await query(STORE, [
    chain,
    definitions.map(({ name }) => name),
    definitions.map(({ retention }) => storedMs(retention?.succeededMs)),
    definitions.map(({ retention }) => storedMs(retention?.failedMs)),
  ])
}

/** What is on record of all chains. */
export async function readRetentions(query: Query): Promise<RecordedRetention[]> {
  const rows = await query<{ chain: string; task: string; succeeded: number | null; failed: number | null }>(
    'select chain, task, succeeded_ms as succeeded, failed_ms as failed from blockmill.task_retention',
  )
  return rows.map(({ chain, task, succeeded, failed }) => ({
    chain,
    task,
    ...(succeeded !== null && { succeededMs: readMs(succeeded) }),
    ...(failed !== null && { failedMs: readMs(failed) }),
  }))
}

function storedMs(ms: number | null | undefined): number | null {
  return ms === null ? -1 : (ms ?? null)
}

function readMs(ms: number): number | null {
  return ms < 0 ? null : ms
}

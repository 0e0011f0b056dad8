import { FINAL_STATES } from '@blockmill/core'

import type { Sql } from '../sql.ts'
import type { RecentTask } from './recent-tasks.ts'

/** A task on record whose block the chain has replaced, and whose record does not say so yet. */
export interface TaskToOrphan extends RecentTask {
  /** See `OrphanedBlock`. */
  readonly generation: number
  /** Whether it still waits or runs. */
  readonly isLive: boolean
}

/** What is on record of replaced blocks and their tasks. Throws as `Sql.query` does. */
export interface OrphanStore {
  /** Some of the tasks, of these names. A task that was run again on purpose after its block had gone is not among them. */
  tasksToOrphan(names: readonly string[]): Promise<readonly TaskToOrphan[]>
  /** Forgets blocks that were replaced more than a day ago and cannot come back; true when there are others. */
  forget(): Promise<boolean>
}

/** Most tasks in one answer. */
export const MOST_TASKS = 5_000

// By name, chain and block there is an index, so this costs the same however many tasks are on record.
const TASKS_TO_ORPHAN = `
  select task.id, task.name as task, task.block_number as block, orphaned.hash, orphaned.generation,
    task.status <> all($3::text[]) as "isLive"
  from blockmill.orphaned_block as orphaned
  join blockmill.task as task on task.chain = orphaned.chain and task.name = any($2::text[])
    and task.block_number = orphaned.number and task.block_hash = orphaned.hash
  where orphaned.chain = $1 and task.generation < orphaned.generation
  limit ${MOST_TASKS}`

const FORGET = `
  with forgotten as (
    delete from blockmill.orphaned_block where chain = $1 and orphaned_at < now() - interval '1 day'
      and number < (select min(number) from blockmill.recent_block where chain = $1)
    returning hash
  )
  select exists (
    select from blockmill.orphaned_block where chain = $1 and hash not in (select hash from forgotten)
  ) as remain`

/** Reads the tasks that the monitor has recorded; writes nothing to them. */
export function createOrphanStore({ sql, chain }: { readonly sql: Sql; readonly chain: string }): OrphanStore {
  return {
    tasksToOrphan: (names) => sql.query<TaskToOrphan>(TASKS_TO_ORPHAN, [chain, names, FINAL_STATES]),
    async forget() {
      const [result] = await sql.query<{ remain: boolean }>(FORGET, [chain])
      return result?.remain ?? false
    },
  }
}

import { type Database, isFinal, type TaskState } from '@blockmill/core'

import type { TaskOutcome } from './task-action.ts'

// Sorted, as recorders lock them: nobody waits for each other in a circle.
const LOCK = `
select id, status, exists (
  select from blockmill.unique_task as held
  where held.task_id = task.id and held.generation > task.generation and held.claimed_at > '-infinity') as "isLive"
from blockmill.task where id = any($1::uuid[]) order by id for update`

const DELETES = [
  'delete from blockmill.unique_task where task_id = any($1::uuid[])',
  'delete from blockmill.cancel_request where task_id = any($1::uuid[])',
  'delete from blockmill.task_attempt where task_id = any($1::uuid[])',
  'delete from blockmill.task where id = any($1::uuid[])',
]

/** Deletes tasks that have ended, with their attempts. Coverage stays: what is deleted is no gap. */
export function deleteTasks(database: Database, ids: readonly string[]): Promise<TaskOutcome[]> {
  return database.withTransaction(async (query) => {
    const rows = await query<{ id: string; status: TaskState; isLive: boolean }>(LOCK, [[...ids]])
    const tasks = new Map(rows.map((row) => [row.id, row]))
    const outcomes = ids.map((id): TaskOutcome => {
      const task = tasks.get(id)
      if (task === undefined) return { id, type: 'unknown' }
      if (!isFinal(task.status)) return { id, type: 'conflict', why: `is ${task.status}: cancel it first` }
      return task.isLive ? { id, type: 'conflict', why: 'was just started again' } : { id, type: 'done' }
    })
    const deleted = [outcomes.filter(({ type }) => type === 'done').map(({ id }) => id)]
    for (const statement of DELETES) await query(statement, deleted)
    return outcomes
  })
}

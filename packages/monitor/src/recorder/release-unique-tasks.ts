import { isFinal, type Query } from '@blockmill/core'

import { type Column, columnValues, selectColumns } from './column.ts'
import type { TaskRecord } from './task-record.ts'

const COLUMNS: readonly Column<TaskRecord>[] = [
  { name: 'id', type: 'uuid', value: ({ id }) => id },
  { name: 'generation', type: 'bigint', value: ({ state }) => state.generation },
]

// Not the claim of a later run: the end of an earlier one may be reported twice.
const RELEASE = `
delete from blockmill.unique_task as held using (${selectColumns(COLUMNS)}) as ended
where held.task_id = ended.id and held.generation <= ended.generation`

/**
 * Ends the claims of unique tasks that have ended: the statement for it, and none when no such task can be among them. Unique
 * tasks have a generation, which tasks as the scheduler plans them do not have, so those cost nothing.
 */
export function releaseUniqueTasks(tasks: readonly TaskRecord[]): ((query: Query) => Promise<unknown>)[] {
  const ended = tasks.filter(({ state }) => state.generation > 0 && isFinal(state.state))
  return ended.length === 0 ? [] : [(query) => query(RELEASE, columnValues(COLUMNS, ended))]
}

import { controlMessage, isFinal, publishControl, type TaskState } from '@blockmill/core'

import { storeCancels } from '../control/control-store.ts'
import { confirmed, noBroker } from './confirmed.ts'
import type { TaskActionPorts, TaskOutcome } from './task-action.ts'

/**
 * Calls tasks off: one that runs is aborted, one that waits ends as cancelled when a worker gets it. The order is on record
 * before workers are told, so that those that start later know of it too.
 */
export async function cancelTasks(
  { database: { query }, broker, now, by }: TaskActionPorts,
  ids: readonly string[],
): Promise<TaskOutcome[]> {
  if (broker === undefined) throw noBroker()
  const rows = await query<{ id: string; status: TaskState }>(
    'select id, status from blockmill.task where id = any($1::uuid[])',
    [[...ids]],
  )
  const states = new Map(rows.map(({ id, status }) => [id, status]))
  const outcomes = ids.map((id): TaskOutcome => {
    const state = states.get(id)
    if (state === undefined) return { id, type: 'unknown' }
    return isFinal(state) ? { id, type: 'conflict', why: `is ${state} already` } : { id, type: 'done' }
  })
  const taskIds = [...new Set(outcomes.filter(({ type }) => type === 'done').map(({ id }) => id))]
  if (taskIds.length === 0) return outcomes
  const requestedAt = now().getTime()
  await storeCancels(
    query,
    taskIds.map((taskId) => ({ taskId, requestedAt, requestedBy: by })),
  )
  await confirmed(publishControl(broker, controlMessage({ type: 'cancel', taskIds }, { by, nowMs: requestedAt })))
  return outcomes
}

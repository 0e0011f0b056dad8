import type { JsonObject } from '../task/json.ts'
import type { Lane } from '../task/lane.ts'
import type { TaskState } from '../task/task-state.ts'
import type { Cause, TaskItem, TaskMessage } from './task-message.ts'

/** A task on record, as far as its message is made of it. Null is what the record does not know. */
export interface RecordedTask {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly queue: string | null
  readonly lane: Lane | null
  readonly priority: number | null
  readonly blockNumber: number | null
  readonly blockHash: string | null
  readonly rangeFrom: number | null
  readonly rangeTo: number | null
  readonly args: JsonObject | null
  readonly argsHash: string | null
  readonly cause: Cause | null
  readonly status: TaskState
  readonly generation: number
  readonly attempt: number
  readonly postpones: number
  readonly maxAttempts: number | null
  readonly scheduledAt: Date | null
  readonly notBefore: Date | null
  readonly expiresAt: Date | null
  readonly nextAttemptAt: Date | null
  readonly rootId: string | null
  readonly parentId: string | null
}

/** Selects a `RecordedTask` from the table `task`. */
export const RECORDED_TASK_COLUMNS = `
  task.id, task.chain, task.name, task.queue, task.lane, task.priority, task.block_number as "blockNumber",
  task.block_hash as "blockHash", task.range_from as "rangeFrom", task.range_to as "rangeTo", task.args,
  task.args_hash as "argsHash", task.cause, task.status, task.generation, task.attempt, task.postpones,
  task.max_attempts as "maxAttempts", task.scheduled_at as "scheduledAt", task.not_before as "notBefore",
  task.expires_at as "expiresAt", task.next_attempt_at as "nextAttemptAt", task.root_id as "rootId",
  task.parent_id as "parentId"`

/**
 * The message that a task waits with, made anew from the record; `undefined` when the record lacks what it needs, because the
 * monitor has not seen the message that scheduled the task.
 *
 * It is the message that was lost: with the same id, attempt and postpones. A task that waits to be tried again waits with the
 * attempt after the one on record, one that is postponed with the next postpone. A running one runs the same attempt once more,
 * and the record keeps the first as lost.
 */
export function lostMessage(task: RecordedTask): TaskMessage | undefined {
  const { status, generation, scheduledAt, cause } = task
  const schedule = scheduleOf(task)
  if (schedule === undefined || scheduledAt === null || cause === null) return undefined
  const isWaiting = status === 'retrying' || status === 'postponed'
  const notBefore = isWaiting ? task.nextAttemptAt : task.notBefore
  return {
    ...schedule,
    ...(generation > 0 && { generation }),
    attempt: task.attempt + (status === 'retrying' ? 1 : 0),
    postpones: task.postpones + (status === 'postponed' ? 1 : 0),
    scheduledAt: scheduledAt.toISOString(),
    ...(notBefore !== null && { notBefore: notBefore.toISOString() }),
    ...(task.expiresAt !== null && { expiresAt: task.expiresAt.toISOString() }),
    cause,
  }
}

/**
 * The message that runs a task again from its first attempt on, as a new generation, without the times that it had to start
 * and end at; `undefined` as for `lostMessage`.
 */
export function retryMessage(
  task: RecordedTask,
  { generation, nowMs }: { readonly generation: number; readonly nowMs: number },
): TaskMessage | undefined {
  const schedule = scheduleOf(task)
  return (
    schedule && {
      ...schedule,
      generation,
      attempt: 1,
      postpones: 0,
      scheduledAt: new Date(nowMs).toISOString(),
      cause: 'replay',
    }
  )
}

type Run = 'generation' | 'attempt' | 'postpones' | 'scheduledAt' | 'notBefore' | 'expiresAt' | 'cause'

/** What is the same in each run of a task. */
function scheduleOf(task: RecordedTask): Omit<TaskMessage, Run> | undefined {
  const { queue, lane, priority, args, maxAttempts } = task
  if (queue === null || lane === null || priority === null || args === null || maxAttempts === null) return undefined
  return {
    v: 1,
    chain: task.chain,
    task: task.name,
    queue,
    lane,
    priority,
    maxAttempts,
    items: [itemOf(task, args)],
    ...(task.rootId !== null && { rootId: task.rootId }),
    ...(task.parentId !== null && { parentId: task.parentId }),
  }
}

function itemOf({ id, blockNumber, blockHash, rangeFrom, rangeTo }: RecordedTask, args: JsonObject): TaskItem {
  return {
    id,
    ...(blockNumber !== null && { block: { number: blockNumber, ...(blockHash !== null && { hash: blockHash }) } }),
    ...(rangeFrom !== null && rangeTo !== null && { range: { from: rangeFrom, to: rangeTo } }),
    args,
  }
}

import { type Cause, type JsonObject, type Lane, type TaskItem, type TaskMessage } from '@blockmill/core'

/** A task on record that should have gone on long ago. Null is what the record does not know. */
export interface OverdueTask {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly queue: string
  readonly lane: Lane
  readonly priority: number | null
  readonly blockNumber: number | null
  readonly blockHash: string | null
  readonly rangeFrom: number | null
  readonly rangeTo: number | null
  readonly args: JsonObject | null
  readonly cause: Cause | null
  readonly status: 'scheduled' | 'running' | 'retrying' | 'postponed'
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

/**
 * The message that a task waits with, made anew from the record; `undefined` when the record lacks what it needs, because the
 * monitor has not seen the message that scheduled the task.
 *
 * It is the message that was lost: with the same id, attempt and postpones. A task that waits to be tried again waits with the
 * attempt after the one on record, one that is postponed with the next postpone. A running one runs the same attempt once more,
 * and the record keeps the first as lost.
 */
export function lostMessage(task: OverdueTask): TaskMessage | undefined {
  const { priority, args, cause, maxAttempts, scheduledAt, status, generation } = task
  if (priority === null || args === null || cause === null || maxAttempts === null || scheduledAt === null) {
    return undefined
  }
  const isWaiting = status === 'retrying' || status === 'postponed'
  const notBefore = isWaiting ? task.nextAttemptAt : task.notBefore
  return {
    v: 1,
    chain: task.chain,
    task: task.name,
    queue: task.queue,
    lane: task.lane,
    priority,
    ...(generation > 0 && { generation }),
    attempt: task.attempt + (status === 'retrying' ? 1 : 0),
    postpones: task.postpones + (status === 'postponed' ? 1 : 0),
    maxAttempts,
    scheduledAt: scheduledAt.toISOString(),
    ...(notBefore !== null && { notBefore: notBefore.toISOString() }),
    ...(task.expiresAt !== null && { expiresAt: task.expiresAt.toISOString() }),
    cause,
    items: [itemOf(task, args)],
    ...(task.rootId !== null && { rootId: task.rootId }),
    ...(task.parentId !== null && { parentId: task.parentId }),
  }
}

function itemOf({ id, blockNumber, blockHash, rangeFrom, rangeTo }: OverdueTask, args: JsonObject): TaskItem {
  return {
    id,
    ...(blockNumber !== null && { block: { number: blockNumber, ...(blockHash !== null && { hash: blockHash }) } }),
    ...(rangeFrom !== null && rangeTo !== null && { range: { from: rangeFrom, to: rangeTo } }),
    args,
  }
}

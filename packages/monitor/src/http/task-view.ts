import type { TaskRow } from '@blockmill/core'

import type { TaskSummary } from './task-schemas.ts'

/** What lists and single tasks are shown by. */
export const COMMON_PROPERTIES = [
  'id',
  'chain',
  'name',
  'queue',
  'lane',
  'priority',
  'blockNumber',
  'blockHash',
  'rangeFrom',
  'rangeTo',
  'args',
  'argsHash',
  'cause',
  'status',
  'generation',
  'attempt',
  'maxAttempts',
  'postpones',
  'scheduledAt',
  'changedAt',
  'startedAt',
  'finishedAt',
  'nextAttemptAt',
  'worker',
  'reason',
  'fingerprint',
  'progressDone',
  'progressTotal',
  'progressAt',
] as const satisfies readonly (keyof TaskRow)[]
export type CommonRow = Pick<TaskRow, (typeof COMMON_PROPERTIES)[number]>

/** What a task shows in lists and by itself. */
export function commonOf(task: CommonRow): Omit<TaskSummary, 'error'> {
  const { rangeFrom: from, rangeTo: to, progressDone: done, progressTotal: total, progressAt: at } = task
  return {
    id: task.id,
    chain: task.chain,
    name: task.name,
    queue: task.queue,
    lane: task.lane,
    priority: task.priority,
    block: task.blockNumber,
    blockHash: task.blockHash,
    range: from === null || to === null ? null : { from, to },
    args: task.args,
    argsHash: task.argsHash,
    cause: task.cause,
    status: task.status,
    generation: task.generation,
    attempt: task.attempt,
    maxAttempts: task.maxAttempts,
    postpones: task.postpones,
    scheduledAt: isoTime(task.scheduledAt),
    changedAt: task.changedAt.toISOString(),
    startedAt: isoTime(task.startedAt),
    finishedAt: isoTime(task.finishedAt),
    nextAttemptAt: isoTime(task.nextAttemptAt),
    worker: task.worker,
    reason: task.reason,
    fingerprint: task.fingerprint,
    progress: done === null || at === null ? null : { done, total, at: at.toISOString() },
  }
}

/** ISO 8601, or null. */
export function isoTime(time: Date | null): string | null {
  return time?.toISOString() ?? null
}

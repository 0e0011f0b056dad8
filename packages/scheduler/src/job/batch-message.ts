import type { RangeJob, TaskMessage } from '@blockmill/core'

import type { Batch } from './batch.ts'
import type { JobTerms } from './job-terms.ts'

/** The message of a batch's task: the same however often the batch is dispatched in one generation, but for its time. */
export function batchMessage(
  { id: rootId, chain, task, args }: Pick<RangeJob, 'id' | 'chain' | 'task' | 'args'>,
  { queue, lane, priority, maxAttempts }: JobTerms,
  { from, to, taskId, generation, maxAttempts: own }: Batch,
  scheduledAt: Date,
): TaskMessage {
  return {
    v: 1,
    chain,
    task,
    queue,
    lane,
    priority,
    ...(generation > 0 && { generation }),
    attempt: 1,
    postpones: 0,
    maxAttempts: own ?? maxAttempts,
    scheduledAt: scheduledAt.toISOString(),
    cause: 'range',
    items: [{ id: taskId, range: { from, to }, args }],
    rootId,
  }
}

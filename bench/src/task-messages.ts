import { DEFAULT_PRIORITY, laneOf, taskId, type TaskMessage } from '@blockmill/core'

/** The message of a task for one block, as a scheduler publishes it. */
export function taskMessage(task: string, number: number): TaskMessage {
  return {
    v: 1,
    chain: 'bench',
    task,
    queue: 'default',
    lane: laneOf(DEFAULT_PRIORITY),
    priority: DEFAULT_PRIORITY,
    attempt: 1,
    postpones: 0,
    maxAttempts: 3,
    scheduledAt: new Date().toISOString(),
    cause: 'live',
    items: [{ id: taskId({ chain: 'bench', task, args: {}, block: { number } }), block: { number }, args: {} }],
  }
}

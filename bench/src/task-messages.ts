import { DEFAULT_PRIORITY, laneOf, taskId, type TaskMessage } from '@blockmill/core'

/** The message of a task for one block, or for each of several, as a scheduler publishes it. */
export function taskMessage(task: string, number: number, last: number = number): TaskMessage {
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
    items: Array.from({ length: last - number + 1 }, (_, index) => {
      const block = { number: number + index }
      return { id: taskId({ chain: 'bench', task, args: {}, block }), block, args: {} }
    }),
  }
}

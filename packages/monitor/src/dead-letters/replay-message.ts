import { EVENT_MESSAGE_TYPE, TASK_MESSAGE_TYPE, type TaskMessage, taskMessageCodec } from '@blockmill/core'

import type { StoredDeadLetter } from './dead-letter-store.ts'

/** How far a task has come since, as the record has it. */
export interface RecordedTask {
  readonly id: string
  readonly status: string
  readonly generation: number
}

/** What would be published again, or why nothing can be. */
export type Replay =
  | { readonly type: 'message'; readonly message: TaskMessage }
  | { readonly type: 'refused'; readonly why: string }

/** The task message of a dead letter. */
export function readReplay(
  { type, body, queue }: Pick<StoredDeadLetter, 'type' | 'body' | 'queue'>,
  monitorQueue: string,
): Replay {
  if (type === EVENT_MESSAGE_TYPE) return refused('it is a report of a worker, not a task')
  if (queue === monitorQueue) {
    return refused('only its record failed: the task itself went to its work queue all the same')
  }
  if (type !== TASK_MESSAGE_TYPE) return refused(`its type is ${JSON.stringify(type)}, not ${TASK_MESSAGE_TYPE}`)
  try {
    return { type: 'message', message: taskMessageCodec.decode(body) }
  } catch (error) {
    return refused(`it cannot be read: ${(error as Error).message}`)
  }
}

/**
 * The message of a replay: the same tasks from their first attempt on, as a new generation, without the times that they had
 * to start and end at. Tasks of it that have succeeded, or were run again since, are left out.
 */
export function replayOf(
  message: TaskMessage,
  { recorded, nowMs }: { readonly recorded: readonly RecordedTask[]; readonly nowMs: number },
): Replay {
  const generation = message.generation ?? 0
  const done = new Set(
    recorded.filter((task) => task.generation > generation || task.status === 'succeeded').map(({ id }) => id),
  )
  const items = message.items.filter(({ id }) => !done.has(id))
  if (items.length === 0) return refused('its tasks have succeeded, or were run again since')
  const { notBefore: _notBefore, expiresAt: _expiresAt, ...rest } = message
  return {
    type: 'message',
    message: {
      ...rest,
      // Above that of the run which died, also where clocks differ.
      generation: Math.max(nowMs, generation + 1),
      attempt: 1,
      postpones: 0,
      scheduledAt: new Date(nowMs).toISOString(),
      cause: 'replay',
      items,
    },
  }
}

function refused(why: string): Replay {
  return { type: 'refused', why }
}

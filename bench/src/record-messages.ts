import { EVENT_MESSAGE_TYPE, type EventMessage, TASK_MESSAGE_TYPE, type TaskEvent } from '@blockmill/core'

import { taskMessage } from './task-messages.ts'

/** A message as it waits in the monitor's queue. */
export interface RecordMessage {
  readonly type: string
  readonly body: Buffer
}

/** As workers flush them under load. */
const EVENTS_PER_MESSAGE = 50
const HANDLER_MS = 5
const RESULT = { neurons: 256 }

/**
 * What scheduler and worker publish of no-op tasks, one task for each message: 50 tasks as scheduled, then one message with all
 * 50 as succeeded, and so on.
 *
 * @param from number of the first block.
 */
export function* recordMessages(from: number, tasks: number): Generator<RecordMessage> {
  for (let first = from; first < from + tasks; first += EVENTS_PER_MESSAGE) {
    const events: TaskEvent[] = []
    for (let block = first; block < Math.min(first + EVENTS_PER_MESSAGE, from + tasks); block += 1) {
      const message = taskMessage('noop', block)
      yield { type: TASK_MESSAGE_TYPE, body: Buffer.from(JSON.stringify(message)) }
      const startedAt = Date.parse(message.scheduledAt) + 1
      events.push({
        type: 'succeeded',
        taskId: message.items[0]?.id ?? '',
        chain: message.chain,
        task: message.task,
        block,
        attempt: 1,
        postpones: 0,
        startedAt: new Date(startedAt).toISOString(),
        at: new Date(startedAt + HANDLER_MS).toISOString(),
        result: RESULT,
      })
    }
    const outcome: EventMessage = { v: 1, worker: 'bench-worker', sentAt: new Date().toISOString(), events }
    yield { type: EVENT_MESSAGE_TYPE, body: Buffer.from(JSON.stringify(outcome)) }
  }
}

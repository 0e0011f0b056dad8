import { hash } from 'node:crypto'

import { DEAD_HEADERS, type Delivery, TASK_MESSAGE_TYPE, taskMessageCodec, type TaskMessage } from '@blockmill/core'

import { deadTasks } from './message-records.ts'
import { storableJson, storableText } from './storable.ts'
import type { TaskRecord } from './task-record.ts'

/** A message from the dead queue, as it is stored. */
export interface DeadLetter {
  readonly id: string
  /** The queue it came from, as far as known. */
  readonly queue: string | null
  readonly reason: string
  readonly error: string | null
  readonly type: string | null
  readonly taskId: string | null
  readonly chain: string | null
  readonly task: string | null
  /** JSON. */
  readonly headers: string
  readonly body: Buffer
  /** The tasks that it carries, as dead; none when it does not carry tasks, or its tasks are still under way. */
  readonly tasks: readonly TaskRecord[]
}

const MAX_TEXT = 4_000

/**
 * What a delivery of the dead queue says. Never throws: this is where messages end that others could not read.
 *
 * @param monitorQueue the monitor's queue: the tasks of a message that the monitor itself could not record went to their work
 * queue all the same, so they are not dead.
 */
export function readDeadLetter(
  delivery: Delivery,
  { now, monitorQueue }: { now: number; monitorQueue: string },
): DeadLetter {
  const { headers, body, type } = delivery
  const reason = headerText(headers[DEAD_HEADERS.reason]) ?? brokerReason(headers)
  const queue = headerText(headers[DEAD_HEADERS.queue]) ?? headerText(headers['x-first-death-queue'])
  const message = readTaskMessage(delivery)
  const tasks =
    message === undefined || queue === monitorQueue
      ? []
      : deadTasks(message, reason, now, headerText(headers[DEAD_HEADERS.worker]))
  return {
    id: contentId(reason, body),
    queue,
    reason,
    error: headerText(headers[DEAD_HEADERS.error]),
    type: type === undefined ? null : storableText(type),
    taskId: message?.items[0]?.id ?? null,
    chain: message === undefined ? null : storableText(message.chain),
    task: message === undefined ? null : storableText(message.task),
    headers: storableJson(headers),
    body,
    tasks,
  }
}

/** The broker says `delivery_limit`, `rejected`, `expired` or `maxlen`. */
function brokerReason(headers: Delivery['headers']): string {
  return headerText(headers['x-first-death-reason']) ?? 'unknown'
}

function readTaskMessage({ type, body }: Delivery): TaskMessage | undefined {
  if (type !== TASK_MESSAGE_TYPE) return undefined
  try {
    return taskMessageCodec.decode(body)
  } catch {
    // Poison: that is why it is here. It is stored as it came.
    return undefined
  }
}

function headerText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? storableText(value.slice(0, MAX_TEXT)) : null
}

/** A UUIDv8 of the content, so that a message that is delivered twice is one dead letter. */
function contentId(reason: string, body: Buffer): string {
  const digest = hash('sha256', Buffer.concat([Buffer.from(`${reason}\0`), body]), 'hex')
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`
}

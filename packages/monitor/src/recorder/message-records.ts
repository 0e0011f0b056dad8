import {
  argsHash,
  EVENT_MESSAGE_TYPE,
  type EventMessage,
  eventMessageCodec,
  type Heartbeat,
  HEARTBEAT_MESSAGE_TYPE,
  heartbeatCodec,
  type JsonObject,
  NonRetryableError,
  rememberLast,
  TASK_MESSAGE_TYPE,
  type TaskEvent,
  type TaskMessage,
  taskMessageCodec,
  type TaskState,
} from '@blockmill/core'

import type { AttemptRecord } from './attempt-record.ts'
import type { Records } from './records.ts'
import { storableJson } from './storable.ts'
import type { Schedule, State, TaskRecord, Unit } from './task-record.ts'

/**
 * What a message says, as records.
 *
 * @param type the message's `type` property.
 * @throws NonRetryableError `MESSAGE_INVALID` or `MESSAGE_TOO_LARGE` for what is no message of ours.
 */
export function messageRecords(type: string | undefined, body: Buffer): Records {
  switch (type ?? '') {
    case TASK_MESSAGE_TYPE:
      return { tasks: scheduledTasks(taskMessageCodec.decode(body)), attempts: [], workers: [] }
    case EVENT_MESSAGE_TYPE:
      return eventRecords(eventMessageCodec.decode(body))
    case HEARTBEAT_MESSAGE_TYPE:
      return heartbeatRecords(heartbeatCodec.decode(body))
    default:
      throw new NonRetryableError(
        'MESSAGE_INVALID',
        `The type is ${JSON.stringify(type)}; it must be ${TASK_MESSAGE_TYPE}, ${EVENT_MESSAGE_TYPE} or ${HEARTBEAT_MESSAGE_TYPE}.`,
      )
  }
}

/** Each task of a message as dead: it could not be executed at all. */
export function deadTasks(message: TaskMessage, reason: string, at: number, worker: string | null): TaskRecord[] {
  const state = { ...taskState(message, 'dead', at), finishedAt: at, reason, worker }
  return scheduledTasks(message).map((task) => ({ ...task, state }))
}

/** A chunk carries hundreds of tasks: what is the same for all of them is read once. */
function scheduledTasks(message: TaskMessage): TaskRecord[] {
  const { chain, task: name } = message
  const schedule = scheduleOf(message)
  // One that was moved says where the task waits. How far it has come others have told, and may go on telling.
  const progress = message.movedAt === undefined ? message : { ...message, attempt: 1, postpones: 0 }
  const state = taskState(progress, 'scheduled', schedule.scheduledAt)
  return message.items.map(({ id, block, range, args }) => ({
    id,
    chain,
    name,
    block: block?.number ?? null,
    unit: {
      blockHash: block?.hash ?? null,
      rangeFrom: range?.from ?? null,
      rangeTo: range?.to ?? null,
      ...recordedArgs(JSON.stringify(args)),
    },
    schedule,
    state,
    progress: null,
  }))
}

function scheduleOf(message: TaskMessage): Schedule {
  return {
    // A move comes after the scheduling of its run, and before that of the next.
    generation: message.movedAt ?? message.generation ?? 0,
    queue: message.queue,
    lane: message.lane,
    priority: message.priority,
    cause: message.cause,
    maxAttempts: message.maxAttempts,
    scheduledAt: timeMs(message.scheduledAt),
    notBefore: message.notBefore === undefined ? null : timeMs(message.notBefore),
    expiresAt: message.expiresAt === undefined ? null : timeMs(message.expiresAt),
    rootId: message.rootId ?? null,
    parentId: message.parentId ?? null,
  }
}

/** Arguments as they are recorded, from their JSON. Most messages have those of the one before. */
const recordedArgs = rememberLast((text: string): Pick<Unit, 'args' | 'argsHash'> => {
  const args = JSON.parse(text) as JsonObject
  return { args: storableJson(args), argsHash: argsHash(args) }
})

function eventRecords({ worker, events }: EventMessage): Records {
  return {
    tasks: events.map((event) => eventTask(event, worker)),
    attempts: events.map((event) => endedAttempt(event, worker)).filter((attempt) => attempt !== undefined),
    workers: [],
  }
}

function eventTask(event: TaskEvent, worker: string): TaskRecord {
  return {
    id: event.taskId.toLowerCase(),
    chain: event.chain,
    name: event.task,
    block: event.block ?? null,
    unit: null,
    schedule: null,
    state: eventState(event, worker),
    progress: event.type === 'progress' ? { done: event.done, total: event.total ?? null, at: timeMs(event.at) } : null,
  }
}

function eventState(event: TaskEvent, worker: string): State {
  const at = timeMs(event.at)
  const state = (name: TaskState): State => ({ ...taskState(event, name, at), worker })
  switch (event.type) {
    case 'started':
      return { ...state('running'), startedAt: at }
    // It runs, but only its start and the heartbeats say since when: this must not outrank them.
    case 'progress':
      return taskState(event, 'scheduled', at)
    case 'orphaned':
      return { ...taskState(event, 'orphaned', at), finishedAt: at, reason: event.reason }
    case 'succeeded':
      return {
        ...state('succeeded'),
        startedAt: timeMs(event.startedAt),
        finishedAt: at,
        result: event.result === undefined ? null : storableJson(event.result),
      }
    case 'retrying':
      return {
        ...state('retrying'),
        startedAt: timeMs(event.startedAt),
        nextAttemptAt: timeMs(event.nextAttemptAt),
        error: storableJson(event.error),
      }
    case 'postponed':
      return {
        ...state('postponed'),
        startedAt: timeMs(event.startedAt),
        nextAttemptAt: timeMs(event.nextAttemptAt),
        reason: event.reason,
      }
    case 'failed':
      return {
        ...state('failed'),
        startedAt: timeMs(event.startedAt),
        finishedAt: at,
        error: storableJson(event.error),
        reason: event.reason,
      }
    case 'cancelled':
      return { ...state('cancelled'), startedAt: timeMs(event.startedAt), finishedAt: at, reason: event.reason }
    // Its pieces do its work from here on. Whoever makes them looks at the result.
    case 'split':
      return {
        ...state('cancelled'),
        startedAt: timeMs(event.startedAt),
        finishedAt: at,
        reason: event.reason,
        result: JSON.stringify({ split: { safeSize: event.safeSize ?? null } }),
      }
  }
}

/** The attempt that an event ends. A success is in the task's own row, and only there. */
function endedAttempt(event: TaskEvent, worker: string): AttemptRecord | undefined {
  if (
    event.type === 'started' ||
    event.type === 'progress' ||
    event.type === 'orphaned' ||
    event.type === 'succeeded'
  ) {
    return undefined
  }
  return {
    taskId: event.taskId.toLowerCase(),
    generation: event.generation ?? 0,
    attempt: event.attempt,
    postpones: event.postpones,
    outcome: event.type,
    startedAt: timeMs(event.startedAt),
    finishedAt: timeMs(event.at),
    worker,
    error: 'error' in event ? storableJson(event.error) : null,
    reason: 'reason' in event ? event.reason : null,
    delayMs: 'delayMs' in event ? event.delayMs : null,
  }
}

function heartbeatRecords(heartbeat: Heartbeat): Records {
  return {
    tasks: heartbeat.running.map((running) => {
      const startedAt = timeMs(running.startedAt)
      return {
        id: running.taskId.toLowerCase(),
        chain: running.chain,
        name: running.task,
        block: running.block ?? null,
        unit: null,
        schedule: null,
        state: { ...taskState(running, 'running', startedAt), startedAt, worker: heartbeat.worker },
        progress: null,
      }
    }),
    attempts: [],
    workers: [{ heartbeat, startedAt: timeMs(heartbeat.startedAt), lastSeenAt: timeMs(heartbeat.sentAt) }],
  }
}

/** A state of which only the place in the order of states is known. */
function taskState(
  { generation = 0, attempt, postpones }: { generation?: number; attempt: number; postpones: number },
  state: TaskState,
  changedAt: number,
): State {
  return {
    generation,
    attempt,
    postpones,
    state,
    changedAt,
    startedAt: null,
    finishedAt: null,
    nextAttemptAt: null,
    worker: null,
    result: null,
    error: null,
    reason: null,
  }
}

/** Many tasks start and end in the same millisecond. */
const timeMs = rememberLast((text: string): number => {
  const time = Date.parse(text)
  if (Number.isNaN(time)) {
    throw new NonRetryableError('MESSAGE_INVALID', `${JSON.stringify(text)} is no time; it must be in ISO 8601.`)
  }
  return time
})

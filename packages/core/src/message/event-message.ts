import { type Static, Type } from 'typebox'

/** The `type` property of an event message. */
export const EVENT_MESSAGE_TYPE = 'blockmill.event.v1'
/** The `type` property of a heartbeat message. */
export const HEARTBEAT_MESSAGE_TYPE = 'blockmill.heartbeat.v1'

/** An error as data; see `SerializedError`. */
export const ErrorSchema = Type.Object({
  name: Type.String(),
  message: Type.String(),
  stack: Type.Optional(Type.String()),
  classes: Type.Array(Type.String()),
  code: Type.Optional(Type.String()),
  retryAfterMs: Type.Optional(Type.Number()),
})

/** What every event says: which task, and how far it had come. */
const base = {
  taskId: Type.String({ minLength: 36, maxLength: 36 }),
  chain: Type.String({ minLength: 1 }),
  task: Type.String({ minLength: 1 }),
  block: Type.Optional(Type.Integer({ minimum: 0 })),
  generation: Type.Optional(Type.Integer({ minimum: 0 })),
  attempt: Type.Integer({ minimum: 1 }),
  postpones: Type.Integer({ minimum: 0 }),
  /** When it happened. */
  at: Type.String(),
}

/** When the attempt that ended had started. */
const ended = { ...base, startedAt: Type.String() }

/** Why a task failed for good. */
export const FAILURE_REASONS = ['exhausted', 'not_retryable', 'max_postpones', 'expired'] as const
export type FailureReason = (typeof FAILURE_REASONS)[number]

/**
 * What happened to a task. Events of one task may arrive in any order and any number of times; `compareProgress` says
 * which of them counts.
 */
export const TaskEventSchema = Type.Union([
  Type.Object({ type: Type.Literal('started'), ...base }),
  Type.Object({ type: Type.Literal('succeeded'), ...ended, result: Type.Optional(Type.Unknown()) }),
  Type.Object({
    type: Type.Literal('retrying'),
    ...ended,
    error: ErrorSchema,
    delayMs: Type.Number(),
    nextAttemptAt: Type.String(),
  }),
  Type.Object({
    type: Type.Literal('postponed'),
    ...ended,
    reason: Type.String(),
    delayMs: Type.Number(),
    nextAttemptAt: Type.String(),
  }),
  Type.Object({
    type: Type.Literal('failed'),
    ...ended,
    error: ErrorSchema,
    reason: Type.Enum(FAILURE_REASONS),
  }),
  Type.Object({ type: Type.Literal('cancelled'), ...ended, reason: Type.String() }),
  Type.Object({ type: Type.Literal('orphaned'), ...base, reason: Type.String() }),
  Type.Object({ type: Type.Literal('progress'), ...base, done: Type.Number(), total: Type.Optional(Type.Number()) }),
  /** A batch has more than it can fetch at once: whoever made it makes smaller ones of it. */
  Type.Object({
    type: Type.Literal('split'),
    ...ended,
    reason: Type.String(),
    /** Blocks that can be fetched at once, where that is known. */
    safeSize: Type.Optional(Type.Integer({ minimum: 1 })),
  }),
])

/** A batch of events from one worker (or of `orphaned` events from a scheduler). */
export const EventMessageSchema = Type.Object({
  v: Type.Literal(1),
  worker: Type.String({ minLength: 1 }),
  sentAt: Type.String(),
  events: Type.Array(TaskEventSchema, { minItems: 1 }),
})

/** What a worker is doing, every 2 seconds. A worker that is silent for 30 seconds is lost. */
export const HeartbeatSchema = Type.Object({
  v: Type.Literal(1),
  worker: Type.String({ minLength: 1 }),
  sentAt: Type.String(),
  startedAt: Type.String(),
  host: Type.String(),
  pid: Type.Integer(),
  queues: Type.Array(Type.String()),
  concurrency: Type.Integer(),
  /** True in the last heartbeat of a worker that stops by itself. */
  stopping: Type.Boolean(),
  running: Type.Array(
    Type.Object({
      taskId: Type.String(),
      chain: Type.String(),
      task: Type.String(),
      block: Type.Optional(Type.Integer()),
      generation: Type.Optional(Type.Integer()),
      attempt: Type.Integer(),
      postpones: Type.Integer(),
      startedAt: Type.String(),
    }),
  ),
  rssBytes: Type.Number(),
  eventLoopLagMs: Type.Number(),
})

export type TaskEvent = Readonly<Static<typeof TaskEventSchema>>
export type EventMessage = Readonly<Static<typeof EventMessageSchema>>
export type Heartbeat = Readonly<Static<typeof HeartbeatSchema>>

import { type Static, Type } from 'typebox'

import { HeartbeatSchema } from '../message/event-message.ts'
import { LANES } from '../task/lane.ts'

/** The `type` property of a control message. */
export const CONTROL_MESSAGE_TYPE = 'blockmill.control.v1'
/** The `type` property of an answer to a control message. */
export const CONTROL_REPLY_TYPE = 'blockmill.control-reply.v1'

/** Most task ids in one `cancel` message. */
export const MAX_CANCEL_IDS = 1_000
/** Most lanes in a `state` message. */
export const MAX_STATE_LANES = 1_000
/** Most cancelled tasks in a `state` message: it stays well below 1 MiB. */
export const MAX_STATE_CANCELS = 10_000

const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const QueueName = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' })
const Lane = Type.Enum(LANES)
/** Unix milliseconds. */
const Time = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Name = Type.String({ minLength: 1, maxLength: 256 })

const base = {
  v: Type.Literal(1),
  id: Uuid,
  /** Of two orders about the same thing, the later counts, in whatever order they arrive. */
  sentAt: Time,
  /** Who sent it: a person or a service. */
  by: Name,
  /** Key on the reply exchange to answer to; without, nobody waits for an answer. */
  replyTo: Type.Optional(Uuid),
}

/** Whether a lane of a queue is worked on, and since when that is so. */
export const LaneStateSchema = Type.Object({
  queue: QueueName,
  lane: Lane,
  paused: Type.Boolean(),
  changedAt: Time,
  changedBy: Name,
})

/** A task that was called off. */
export const CancelledTaskSchema = Type.Object({ taskId: Uuid, cancelledAt: Time })

/**
 * What is said on the control exchange, version 1: each worker and monitor hears everything.
 *
 * | type | who acts |
 * | --- | --- |
 * | cancel | the worker that runs or receives one of the tasks; monitors remember it |
 * | pause, resume | workers that serve the queue; monitors remember it. Without a lane: all lanes |
 * | ping, stats | everybody answers |
 * | shutdown | the worker of that name stops gracefully |
 * | sync | monitors answer with `state`: sent by a worker that has just begun to listen |
 * | state | workers take over what they have not heard of |
 *
 * Unknown properties are ignored, so that later versions may add some.
 */
export const ControlMessageSchema = Type.Union([
  Type.Object({
    type: Type.Literal('cancel'),
    ...base,
    taskIds: Type.Array(Uuid, { minItems: 1, maxItems: MAX_CANCEL_IDS }),
  }),
  Type.Object({ type: Type.Literal('pause'), ...base, queue: QueueName, lane: Type.Optional(Lane) }),
  Type.Object({ type: Type.Literal('resume'), ...base, queue: QueueName, lane: Type.Optional(Lane) }),
  Type.Object({ type: Type.Literal('ping'), ...base }),
  Type.Object({ type: Type.Literal('stats'), ...base }),
  Type.Object({ type: Type.Literal('shutdown'), ...base, worker: Name }),
  Type.Object({ type: Type.Literal('sync'), ...base }),
  Type.Object({
    type: Type.Literal('state'),
    ...base,
    lanes: Type.Array(LaneStateSchema, { maxItems: MAX_STATE_LANES }),
    cancelled: Type.Array(CancelledTaskSchema, { maxItems: MAX_STATE_CANCELS }),
  }),
])

const answer = {
  v: Type.Literal(1),
  /** The id of the message that is answered. */
  id: Uuid,
  /** Name of the worker or monitor. */
  from: Name,
}

/** An answer to a control message. */
export const ControlReplySchema = Type.Union([
  /** A worker has done what was asked. `running`: how many of the cancelled tasks it was running. */
  Type.Object({ type: Type.Literal('worker'), ...answer, running: Type.Optional(Type.Integer({ minimum: 0 })) }),
  /** What a worker is doing. */
  Type.Object({
    type: Type.Literal('worker-stats'),
    ...answer,
    ...Type.Pick(HeartbeatSchema, [
      'startedAt',
      'host',
      'pid',
      'queues',
      'concurrency',
      'running',
      'rssBytes',
      'eventLoopLagMs',
    ]).properties,
    /** Messages that wait for a slot. */
    buffered: Type.Integer({ minimum: 0 }),
    paused: Type.Array(LaneStateSchema),
  }),
  /** A monitor has stored what was asked: workers that start later will know. */
  Type.Object({ type: Type.Literal('monitor'), ...answer }),
  /** What a monitor has stored. */
  Type.Object({ type: Type.Literal('monitor-stats'), ...answer, lanes: Type.Array(LaneStateSchema) }),
])

export type ControlMessage = Readonly<Static<typeof ControlMessageSchema>>
export type ControlReply = Readonly<Static<typeof ControlReplySchema>>
export type LaneState = Readonly<Static<typeof LaneStateSchema>>
export type CancelledTask = Readonly<Static<typeof CancelledTaskSchema>>

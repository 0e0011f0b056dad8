import { LANES } from '@blockmill/core'
import { Type } from 'typebox'

import { OperationSchema } from './task-action-schemas.ts'

const Count = Type.Integer({ minimum: 0 })
const Lane = Type.Enum(LANES)
const QUEUE_NAME = '^[a-z0-9][a-z0-9_-]{0,63}$'

/** One queue with its lanes. */
export const QueueSchema = Type.Object({
  queue: Type.String(),
  lanes: Type.Array(
    Type.Object({
      lane: Lane,
      ready: Type.Union([Count, Type.Null()], {
        description: 'messages that wait; null when the broker has no such queue',
      }),
      consumers: Count,
      paused: Type.Boolean(),
      changedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()], {
        description: 'when it was paused or resumed last',
      }),
      changedBy: Type.Union([Type.String(), Type.Null()]),
    }),
  ),
})

/** Queues, by name. */
export const QueueListSchema = Type.Object({ queues: Type.Array(QueueSchema) })

/** Names a queue in a path. */
export const QueueParamsSchema = Type.Object({ name: Type.String({ pattern: QUEUE_NAME }) })

/** Says that one lane is meant, and not all. */
export const LaneQuerySchema = Type.Object({ lane: Type.Optional(Lane) }, { additionalProperties: false })

/** Which messages are dropped, and what becomes of their tasks. */
export const PurgeQuerySchema = Type.Object(
  {
    lane: Type.Optional(Lane),
    cancel: Type.Optional(
      Type.Boolean({ description: 'also calls off the tasks that are on record as waiting in it; default false' }),
    ),
  },
  { additionalProperties: false },
)

/** Which messages go where. */
export const MoveSchema = Type.Object(
  {
    to: Type.String({ pattern: QUEUE_NAME, description: 'another queue, which the broker must have' }),
    lane: Type.Optional(Type.Enum(LANES, { description: 'only this one; default all. They stay in their lanes' })),
  },
  { additionalProperties: false },
)

/** What was dropped. */
export const PurgeSchema = Type.Object({
  queue: Type.String(),
  purged: Type.Integer({ minimum: 0, description: 'messages that were dropped; one may carry a chunk of tasks' }),
  lanes: Type.Array(Type.Object({ lane: Lane, purged: Count })),
  note: Type.String({ description: 'what becomes of their tasks' }),
  operation: Type.Optional(
    Type.Object(OperationSchema.properties, { description: 'with `cancel`: what calls their tasks off' }),
  ),
})

/** Names a worker in a path. */
export const WorkerParamsSchema = Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }) })

/** A worker has heard. */
export const WorkerAnswerSchema = Type.Object({ worker: Type.String(), state: Type.Enum(['stopping', 'alive']) })

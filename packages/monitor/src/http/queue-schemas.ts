import { LANES } from '@blockmill/core'
import { Type } from 'typebox'

const Count = Type.Integer({ minimum: 0 })
const Lane = Type.Enum(LANES)
const QueueName = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' })

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
export const QueueParamsSchema = Type.Object({ name: QueueName })

/** Says that one lane is meant, and not all. */
export const LaneQuerySchema = Type.Object({ lane: Type.Optional(Lane) }, { additionalProperties: false })

/** What was dropped. */
export const PurgeSchema = Type.Object({
  queue: Type.String(),
  purged: Type.Integer({ minimum: 0, description: 'messages that were dropped; one may carry a chunk of tasks' }),
  lanes: Type.Array(Type.Object({ lane: Lane, purged: Count })),
  note: Type.String({ description: 'what becomes of their tasks' }),
})

/** Names a worker in a path. */
export const WorkerParamsSchema = Type.Object({ name: Type.String({ minLength: 1, maxLength: 256 }) })

/** A worker has heard. */
export const WorkerAnswerSchema = Type.Object({ worker: Type.String(), state: Type.Enum(['stopping', 'alive']) })

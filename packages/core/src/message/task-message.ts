import { type Static, Type } from 'typebox'
import { LANES } from '../task/lane.ts'

/** The `type` property of a task message. */
export const TASK_MESSAGE_TYPE = 'blockmill.task.v1'

/** Why a task was scheduled. */
export const CAUSES = ['live', 'lookback', 'backfill', 'range', 'manual', 'replay'] as const
export type Cause = (typeof CAUSES)[number]

const BlockNumber = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Count = Type.Integer({ minimum: 0 })
// Narrow enough that every match is a time that can be calculated with, not just digits in the right places.
const Time = Type.String({
  pattern: String.raw`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$`,
})
const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const QueueName = Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' })

/** One task of a message. */
export const TaskItemSchema = Type.Object({
  id: Uuid,
  block: Type.Optional(Type.Object({ number: BlockNumber, hash: Type.Optional(Type.String({ maxLength: 128 })) })),
  range: Type.Optional(Type.Object({ from: BlockNumber, to: BlockNumber })),
  args: Type.Record(Type.String(), Type.Unknown()),
})

/**
 * The task message, version 1: one or more tasks of one definition. Live blocks use one item per message; back-fill packs
 * a chunk of consecutive blocks into one. Unknown properties are ignored, so that later versions may add some.
 */
export const TaskMessageSchema = Type.Object({
  v: Type.Literal(1),
  chain: Type.String({ minLength: 1, maxLength: 128 }),
  task: Type.String({ minLength: 1, maxLength: 128 }),
  queue: QueueName,
  lane: Type.Enum(LANES),
  priority: Type.Integer(),
  /** Which deliberate run this is: absent as planned, Unix milliseconds of the replay or forced re-run otherwise. */
  generation: Type.Optional(Count),
  /** When it was moved to its queue from another, in Unix milliseconds; later than the generation and any earlier move. */
  movedAt: Type.Optional(Count),
  attempt: Type.Integer({ minimum: 1 }),
  postpones: Count,
  maxAttempts: Type.Integer({ minimum: 1 }),
  scheduledAt: Time,
  notBefore: Type.Optional(Time),
  expiresAt: Type.Optional(Time),
  cause: Type.Enum(CAUSES),
  items: Type.Array(TaskItemSchema, { minItems: 1, maxItems: 500 }),
  rootId: Type.Optional(Uuid),
  parentId: Type.Optional(Uuid),
  traceparent: Type.Optional(Type.String({ maxLength: 128 })),
  checkpoint: Type.Optional(Type.Unknown()),
})

export type TaskItem = Readonly<Static<typeof TaskItemSchema>>
export type TaskMessage = Readonly<Static<typeof TaskMessageSchema>>

import { ATTEMPT_OUTCOMES, CAUSES, LANES, TASK_STATES } from '@blockmill/core'
import { type Static, type TSchema, Type } from 'typebox'

import { TASK_CURSOR_PATTERN } from './task-cursor.ts'

const BlockNumber = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Time = Type.String({ format: 'date-time' })
const Uuid = Type.String({ format: 'uuid' })
const Name = Type.String({ minLength: 1, maxLength: 128 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** Filters and page of a list of tasks. */
export const TaskListQuerySchema = Type.Object(
  {
    status: Type.Optional(Type.Array(Type.Enum(TASK_STATES), { description: 'one of these states; may be repeated' })),
    name: Type.Optional(Name),
    queue: Type.Optional(Name),
    lane: Type.Optional(Type.Enum(LANES)),
    chain: Type.Optional(Name),
    fingerprint: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{16}$', description: 'of a group of failures, see `/failures`' }),
    ),
    blockFrom: Type.Optional(BlockNumber),
    blockTo: Type.Optional(BlockNumber),
    scheduledFrom: Type.Optional(Time),
    scheduledTo: Type.Optional(Time),
    finishedFrom: Type.Optional(Time),
    finishedTo: Type.Optional(Time),
    order: Type.Optional(
      Type.Enum(['desc', 'asc'], {
        description:
          'by id, which is by block; lists of what finished or was scheduled within a time by that time. Default desc: newest first',
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default 50' })),
    cursor: Type.Optional(
      Type.String({ pattern: TASK_CURSOR_PATTERN, description: '`nextCursor` of the page before' }),
    ),
  },
  { additionalProperties: false },
)
export type TaskListQuery = Static<typeof TaskListQuerySchema>

const ErrorSummary = Type.Object({ name: nullable(Type.String()), message: nullable(Type.String()) })

const common = {
  id: Uuid,
  chain: Type.String(),
  name: Type.String(),
  queue: nullable(Type.String()),
  lane: nullable(Type.Enum(LANES)),
  priority: nullable(Type.Integer()),
  block: nullable(BlockNumber),
  blockHash: nullable(Type.String()),
  range: nullable(Type.Object({ from: BlockNumber, to: BlockNumber })),
  args: Type.Unknown(),
  argsHash: nullable(Type.String()),
  cause: nullable(Type.Enum(CAUSES)),
  status: Type.Enum(TASK_STATES),
  generation: Type.Integer(),
  attempt: Type.Integer(),
  maxAttempts: nullable(Type.Integer()),
  postpones: Type.Integer(),
  scheduledAt: nullable(Time),
  changedAt: Time,
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  nextAttemptAt: nullable(Time),
  worker: nullable(Type.String()),
  reason: nullable(Type.String()),
  fingerprint: nullable(Type.String({ description: 'what failures of its kind have in common' })),
  progress: nullable(Type.Object({ done: Type.Number(), total: nullable(Type.Number()), at: Time })),
}

/** A task in a list: without its result, and with the head line of its error only. */
export const TaskSummarySchema = Type.Object({ ...common, error: nullable(ErrorSummary) })
export type TaskSummary = Static<typeof TaskSummarySchema>

/** A page of tasks. */
export const TaskListSchema = Type.Object({
  tasks: Type.Array(TaskSummarySchema),
  nextCursor: Type.Optional(
    Type.String({
      description:
        'absent on the last page; a page may have it and be short, even empty: the search for what is rare goes on there',
    }),
  ),
})

const AttemptSchema = Type.Object({
  generation: Type.Integer(),
  attempt: Type.Integer(),
  postpones: Type.Integer(),
  outcome: Type.Enum([...ATTEMPT_OUTCOMES, 'running']),
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  worker: nullable(Type.String()),
  error: Type.Unknown(),
  reason: nullable(Type.String()),
  delayMs: nullable(Type.Number()),
})
export type Attempt = Static<typeof AttemptSchema>

/** A task with everything that is known of it. */
export const TaskDetailSchema = Type.Object({
  ...common,
  error: Type.Unknown(),
  result: Type.Unknown(),
  rootId: nullable(Uuid),
  parentId: nullable(Uuid),
  /** Every attempt in order, the present one included. */
  attempts: Type.Array(AttemptSchema),
})
export type TaskDetail = Static<typeof TaskDetailSchema>

/** Names a task in a path. */
export const TaskParamsSchema = Type.Object({ id: Uuid })

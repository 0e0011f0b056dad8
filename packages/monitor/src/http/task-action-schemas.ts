import { type Static, type TSchema, Type } from 'typebox'

import { type Operation, OPERATION_ACTIONS, OPERATION_STATES } from '../actions/operations.ts'
import { TASK_ACTIONS } from '../actions/task-action.ts'
import { TaskListQuerySchema } from './task-schemas.ts'

const Uuid = Type.String({ format: 'uuid' })
const Time = Type.String({ format: 'date-time' })
const Count = Type.Integer({ minimum: 0 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

export const MAX_IDS = 1_000

/** How a task is retried. */
export const RetryQuerySchema = Type.Object(
  { force: Type.Optional(Type.Boolean({ description: 'also when it has succeeded; default false' })) },
  { additionalProperties: false },
)

/** What was ordered of one task. */
export const TaskActionSchema = Type.Object({ id: Uuid, action: Type.Enum(TASK_ACTIONS) })

/** What is to be done with which tasks. */
export const TaskActionsSchema = Type.Object(
  {
    action: Type.Enum(TASK_ACTIONS),
    ids: Type.Optional(Type.Array(Uuid, { minItems: 1, maxItems: MAX_IDS })),
    filter: Type.Optional(
      Type.Object(Type.Omit(TaskListQuerySchema, ['order', 'limit', 'cursor']).properties, {
        additionalProperties: false,
        minProperties: 1,
        description: 'as for GET /tasks; tasks in a state that the action is not for are left out',
      }),
    ),
    limit: Type.Optional(
      Type.Number({
        minimum: 1,
        maximum: 1_000_000,
        multipleOf: 1,
        description: 'most tasks by filter; default 100000',
      }),
    ),
    force: Type.Optional(Type.Boolean({ description: 'retry also what has succeeded; default false' })),
    dryRun: Type.Optional(Type.Boolean({ description: 'only count; default false' })),
  },
  { additionalProperties: false },
)

/** How many tasks an action would be for. */
export const DryRunSchema = Type.Object({ total: Count })

/** Work on many tasks, and how far it is. */
export const OperationSchema = Type.Object({
  id: Uuid,
  action: Type.Enum(OPERATION_ACTIONS),
  createdBy: Type.String(),
  state: Type.Enum(OPERATION_STATES),
  createdAt: Time,
  finishedAt: nullable(Time),
  total: Type.Integer({ minimum: 0, description: 'tasks, or messages to move, when it started' }),
  done: Count,
  failed: Type.Integer({ minimum: 0, description: 'tasks that were refused, or are not on record' }),
  problems: Type.Array(Type.Object({ id: Uuid, why: Type.String() }), { description: 'the first 20 of these' }),
  error: nullable(Type.String({ description: 'why it ended before its end' })),
})

export const OperationParamsSchema = Type.Object({ id: Uuid })

/** An operation as the API shows it. */
export function operationView({ problems, ...operation }: Operation): Static<typeof OperationSchema> {
  const { createdAt, finishedAt } = operation
  return {
    ...operation,
    problems: [...problems],
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString() ?? null,
  }
}

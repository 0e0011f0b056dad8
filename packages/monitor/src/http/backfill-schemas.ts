import { BACKFILL_STATES, type BackfillDetail, type BackfillSummary, HEADS } from '@blockmill/core'
import { type Static, type TSchema, Type } from 'typebox'

const Time = Type.String({ format: 'date-time' })
const Count = Type.Integer({ minimum: 0 })
const Name = Type.String({ minLength: 1, maxLength: 128 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** Which blocks are to be filled in. Limits are checked by the rules that the command line has, too. */
export const BackfillRequestSchema = Type.Object(
  {
    task: Name,
    chain: Type.Optional(Type.String({ ...Name, description: 'needed when the task runs on several' })),
    from: Type.Number({ description: 'first block, from 0' }),
    to: Type.Number({ description: 'last block, included' }),
    args: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'one set of arguments; default all that the task has or has had',
      }),
    ),
    chunk: Type.Optional(Type.Number({ description: "blocks in one message, 1 to 500; default the task's own" })),
    window: Type.Optional(
      Type.Number({ description: 'most tasks of its queue that wait at the broker, 1 to 1000000; default 10000' }),
    ),
    rate: Type.Optional(Type.Number({ description: 'most tasks scheduled in a second; default no limit' })),
    force: Type.Optional(Type.Boolean({ description: 'also runs blocks that were evaluated before; default false' })),
  },
  { additionalProperties: false },
)
export type BackfillRequestBody = Static<typeof BackfillRequestSchema>

/** Which jobs are listed. */
export const BackfillListQuerySchema = Type.Object(
  {
    chain: Type.Optional(Name),
    task: Type.Optional(Name),
    state: Type.Optional(Type.Array(Type.Enum(BACKFILL_STATES), { description: 'one of these; may be repeated' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default 100' })),
  },
  { additionalProperties: false },
)

/** The id of a job. */
export const BackfillParamsSchema = Type.Object({ id: Type.String({ format: 'uuid' }) })

const summary = {
  id: Type.String({ format: 'uuid' }),
  chain: Type.String(),
  task: Type.String(),
  head: Type.Enum(HEADS),
  from: Count,
  to: Count,
  args: Type.Unknown(),
  chunk: nullable(Count),
  window: nullable(Count),
  rate: nullable(Type.Number()),
  force: Type.Boolean(),
  state: Type.Enum(BACKFILL_STATES),
  createdBy: Type.String(),
  createdAt: Time,
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  error: nullable(Type.String({ description: 'why it failed, or what it waits for' })),
  done: Type.Integer({ minimum: 0, description: 'blocks that were evaluated' }),
  total: nullable(Type.Integer({ minimum: 0, description: 'blocks that it is for; null until it has started' })),
  scheduled: Type.Integer({ minimum: 0, description: 'tasks that it has scheduled' }),
  blocksPerSecond: Type.Number({ description: 'over the last minute' }),
  etaSeconds: nullable(Type.Number()),
}

/** A job with its progress. */
export const BackfillSchema = Type.Object(summary)

/** Jobs, the newest first. */
export const BackfillListSchema = Type.Object({ backfills: Type.Array(BackfillSchema) })

/** A job with its progress for each set of arguments, and its tasks as they are on record. */
export const BackfillDetailSchema = Type.Object({
  ...summary,
  parts: Type.Array(
    Type.Object({
      argsHash: Type.String(),
      args: Type.Unknown(),
      done: Count,
      total: Count,
      scheduled: Count,
      missing: Type.Object({
        /** Ascending, both ends included. */
        ranges: Type.Array(Type.Object({ from: Count, to: Count })),
        isCut: Type.Boolean(),
      }),
    }),
  ),
  tasks: Type.Object({
    succeeded: Count,
    unfinished: Count,
    failed: Count,
    dropped: Type.Integer({ minimum: 0, description: 'cancelled, or orphaned by a reorganisation' }),
  }),
})

/** A job as the API shows it. */
export function backfillView(job: BackfillSummary): Static<typeof BackfillSchema> {
  const { generation: _, createdAt, startedAt, finishedAt, ...rest } = job
  return {
    ...rest,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  }
}

/** A job with everything that is on record of it, as the API shows it. */
export function backfillDetailView({ parts, tasks, ...job }: BackfillDetail): Static<typeof BackfillDetailSchema> {
  return {
    ...backfillView(job),
    parts: parts.map((part) => ({ ...part, missing: { ...part.missing, ranges: [...part.missing.ranges] } })),
    tasks,
  }
}

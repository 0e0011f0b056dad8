import { BACKFILL_STATES, type BackfillDetail, type BackfillSummary, HEADS } from '@blockmill/core'
import { type Static, Type } from 'typebox'

import {
  Count,
  jobFields,
  jobListFields,
  jobRequestFields,
  jobTimes,
  Name,
  nullable,
  RangesSchema,
} from './durable-job-schemas.ts'

/** Which blocks are to be filled in. */
export const BackfillRequestSchema = Type.Object(
  {
    ...jobRequestFields,
    chain: Type.Optional(Type.String({ ...Name, description: 'needed when the task runs on several' })),
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
export const BackfillListQuerySchema = Type.Object(jobListFields(Type.Enum(BACKFILL_STATES)), {
  additionalProperties: false,
})

const summary = {
  ...jobFields,
  head: Type.Enum(HEADS),
  chunk: nullable(Count),
  rate: nullable(Type.Number()),
  force: Type.Boolean(),
  state: Type.Enum(BACKFILL_STATES),
  error: nullable(Type.String({ description: 'why it failed, or what it waits for' })),
  done: Type.Integer({ minimum: 0, description: 'blocks that were evaluated' }),
  total: nullable(Type.Integer({ minimum: 0, description: 'blocks that it is for; null until it has started' })),
  scheduled: Type.Integer({ minimum: 0, description: 'tasks that it has scheduled' }),
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
        ranges: RangesSchema,
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
  const { generation: _, ...rest } = job
  return { ...rest, ...jobTimes(job) }
}

/** A job with everything that is on record of it, as the API shows it. */
export function backfillDetailView({ parts, tasks, ...job }: BackfillDetail): Static<typeof BackfillDetailSchema> {
  return {
    ...backfillView(job),
    parts: parts.map((part) => ({ ...part, missing: { ...part.missing, ranges: [...part.missing.ranges] } })),
    tasks,
  }
}

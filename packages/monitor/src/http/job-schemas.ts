import {
  BATCH_STATES,
  EXPORT_FORMATS,
  type RangeBatch,
  type RangeJobDetail,
  RANGE_JOB_STATES,
  type RangeJobSummary,
  RESULT_SINKS,
} from '@blockmill/core'
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
  Time,
} from './durable-job-schemas.ts'

/** Which range task is to be run over which blocks, and how. */
export const RangeJobRequestSchema = Type.Object(
  {
    ...jobRequestFields,
    chain: Type.Optional(Type.String({ ...Name, description: 'needed when several are on record' })),
    args: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'default none' })),
    batchSize: Type.Optional(
      Type.Number({ description: "blocks of a batch; default the task's own; at most 1000000 batches" }),
    ),
    minBatch: Type.Optional(
      Type.Number({ description: "a batch that fails is cut down to this many blocks; default the task's own" }),
    ),
    window: Type.Optional(Type.Number({ description: 'most batches that are queued at once, 1 to 10000' })),
    queue: Type.Optional(Type.String({ description: "default the task's own" })),
    priority: Type.Optional(Type.Number({ description: "default the task's own, or the low lane" })),
    maxAttempts: Type.Optional(Type.Number({ description: "attempts of each batch; default the task's own" })),
    sink: Type.Optional(Type.Enum(RESULT_SINKS, { description: 'where rows are kept; default postgres' })),
  },
  { additionalProperties: false },
)

/** Which jobs are listed. */
export const RangeJobListQuerySchema = Type.Object(
  {
    ...jobListFields(Type.Enum(RANGE_JOB_STATES)),
    cursor: Type.Optional(Type.String({ format: 'uuid', description: '`nextCursor` of the page before' })),
  },
  { additionalProperties: false },
)

const summary = {
  ...jobFields,
  batchSize: nullable(Count),
  minBatch: nullable(Count),
  queue: nullable(Type.String()),
  priority: nullable(Type.Integer()),
  maxAttempts: nullable(Count),
  sink: Type.Enum(RESULT_SINKS),
  state: Type.Enum(RANGE_JOB_STATES),
  note: nullable(Type.String({ description: 'what it waits for, or why it was paused' })),
  done: Type.Integer({ minimum: 0, description: 'blocks of batches that have succeeded' }),
  total: Type.Integer({ minimum: 0, description: 'blocks of the job' }),
  batches: Type.Object({
    pending: Count,
    queued: Count,
    succeeded: Count,
    failed: Count,
    cancelled: Count,
    split: Type.Integer({ minimum: 0, description: 'smaller ones have taken their place' }),
  }),
  rows: Type.Integer({ minimum: 0, description: 'rows of batches that have succeeded' }),
  rowsPerSecond: Type.Number({ description: 'over the last minute' }),
}

/** A job with its progress. */
export const RangeJobSchema = Type.Object(summary)

/** Jobs, the newest first. */
export const RangeJobListSchema = Type.Object({
  jobs: Type.Array(RangeJobSchema),
  nextCursor: Type.Optional(Type.String()),
})

/** A job with its progress, and the blocks that it will have no rows of. */
export const RangeJobDetailSchema = Type.Object({
  ...summary,
  missing: Type.Object({
    blocks: Count,
    ranges: RangesSchema,
    isCut: Type.Boolean({ description: 'whether there are more ranges than these 1000' }),
  }),
})

/** Which batches are listed. */
export const BatchListQuerySchema = Type.Object(
  {
    state: Type.Optional(
      Type.Array(Type.Enum(BATCH_STATES), { description: 'one of these; may be repeated; default all but split' }),
    ),
    cursor: Type.Optional(Type.Integer({ minimum: 0, description: '`nextCursor` of the page before' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default 100' })),
  },
  { additionalProperties: false },
)

/** Batches of a job, by their first block. */
export const BatchListSchema = Type.Object({
  batches: Type.Array(
    Type.Object({
      id: Type.String(),
      from: Count,
      to: Count,
      depth: Type.Integer({ minimum: 0, description: 'how often it was cut out of a larger one' }),
      state: Type.Enum(BATCH_STATES),
      taskId: Type.String({ format: 'uuid' }),
      tries: Count,
      rows: nullable(Count),
      value: Type.Unknown({ description: 'what its handler returned' }),
      error: Type.Unknown(),
      dispatchedAt: nullable(Time),
      finishedAt: nullable(Time),
    }),
  ),
  nextCursor: Type.Optional(Count),
})

/** In which form results are wanted. */
export const ResultsQuerySchema = Type.Object(
  {
    format: Type.Optional(Type.Enum(EXPORT_FORMATS, { description: 'default ndjson' })),
    columns: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        maxItems: 1_000,
        description: 'of a table: the columns that are wanted, in this order; may be repeated; default all',
      }),
    ),
    escapeFormulas: Type.Optional(
      Type.Boolean({ description: "in CSV: puts ' before texts that a spreadsheet would run; default false" }),
    ),
    allowPartial: Type.Optional(
      Type.Boolean({ description: 'also of a job that is not completed: what there is; default false' }),
    ),
  },
  { additionalProperties: false },
)

/** A job as the API shows it. */
export function rangeJobView(job: RangeJobSummary): Static<typeof RangeJobSchema> {
  return { ...job, ...jobTimes(job) }
}

/** A job with what is missing of it, as the API shows it. */
export function rangeJobDetailView({ missing, ...job }: RangeJobDetail): Static<typeof RangeJobDetailSchema> {
  return { ...rangeJobView(job), missing: { ...missing, ranges: [...missing.ranges] } }
}

/** A batch as the API shows it. */
export function batchView(batch: RangeBatch): Static<typeof BatchListSchema>['batches'][number] {
  return {
    ...batch,
    value: batch.value ?? null,
    dispatchedAt: batch.dispatchedAt?.toISOString() ?? null,
    finishedAt: batch.finishedAt?.toISOString() ?? null,
  }
}

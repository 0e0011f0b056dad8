import { type TSchema, Type } from 'typebox'

/** An instant, as ISO 8601. */
export const Time = Type.String({ format: 'date-time' })
/** A number of things. */
export const Count = Type.Integer({ minimum: 0 })
/** Of a task or a chain. */
export const Name = Type.String({ minLength: 1, maxLength: 128 })
/** What may be null as well. */
export const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

/** What a job may be asked to run over. Limits are checked by the rules that the command line has, too. */
export const jobRequestFields = {
  task: Name,
  from: Type.Number({ description: 'first block, from 0' }),
  to: Type.Number({ description: 'last block, included' }),
}

/** Which jobs are listed. */
export const jobListFields = <State extends TSchema>(state: State) => ({
  chain: Type.Optional(Name),
  task: Type.Optional(Name),
  state: Type.Optional(Type.Array(state, { description: 'one of these; may be repeated' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default 100' })),
})

/** The id of a job. */
export const JobParamsSchema = Type.Object({ id: Type.String({ format: 'uuid' }) })

/** What every durable job shows of itself. */
export const jobFields = {
  id: Type.String({ format: 'uuid' }),
  chain: Type.String(),
  task: Type.String(),
  from: Count,
  to: Count,
  args: Type.Unknown(),
  window: nullable(Count),
  createdBy: Type.String(),
  createdAt: Time,
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  blocksPerSecond: Type.Number({ description: 'over the last minute' }),
  etaSeconds: nullable(Type.Number()),
}

/** Ranges of blocks, ascending, both ends included. */
export const RangesSchema = Type.Array(Type.Object({ from: Count, to: Count }))

/** The times of a job, on the wire. */
export function jobTimes(job: {
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}) {
  return {
    createdAt: job.createdAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    finishedAt: job.finishedAt?.toISOString() ?? null,
  }
}

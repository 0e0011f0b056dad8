import { TASK_STATES } from '@blockmill/core'
import { type Static, type TSchema, Type } from 'typebox'

const Time = Type.String({ format: 'date-time' })
const Count = Type.Integer({ minimum: 0 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

const CountsSchema = Type.Object(Object.fromEntries(TASK_STATES.map((state) => [state, Count])))

/** Totals of the record. */
export const StatsSchema = Type.Object({
  at: Time,
  totals: CountsSchema,
  tasks: Type.Array(Type.Object({ chain: Type.String(), name: Type.String(), counts: CountsSchema })),
  rates: Type.Object({
    windowSeconds: Type.Number(),
    scheduledPerSecond: Type.Number(),
    finishedPerSecond: Type.Number(),
  }),
  oldestWaiting: nullable(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      scheduledAt: Time,
      dueAt: Type.String({ format: 'date-time', description: 'since when it may run' }),
      ageSeconds: Type.Number({ minimum: 0, description: 'how long it could have run already' }),
    }),
  ),
})
export type StatsView = Static<typeof StatsSchema>

/** What a worker is doing. */
export const WORKER_STATES = ['running', 'stopped', 'lost'] as const

/** Workers, those seen last first. */
export const WorkerListSchema = Type.Object({
  workers: Type.Array(
    Type.Object({
      name: Type.String(),
      state: Type.Enum(WORKER_STATES, {
        description: '`lost`: not seen for 30 seconds, without a good-bye',
      }),
      host: Type.String(),
      pid: Type.Integer(),
      queues: Type.Array(Type.String()),
      concurrency: Type.Integer(),
      startedAt: Time,
      lastSeenAt: Time,
      rssBytes: Type.Number(),
      eventLoopLagMs: Type.Number(),
      running: Type.Array(
        Type.Object({
          taskId: Type.String(),
          chain: Type.String(),
          task: Type.String(),
          block: Type.Optional(Count),
          attempt: Type.Integer(),
          startedAt: Time,
        }),
      ),
    }),
  ),
})
export type WorkerView = Static<typeof WorkerListSchema>['workers'][number]

import { FINAL_STATES } from '@blockmill/core'
import { Type } from 'typebox'

import { ASKED_STEPS, RATE_GROUPS } from '../statistics/rates.ts'

const Time = Type.String({ format: 'date-time' })
const Name = Type.String({ minLength: 1, maxLength: 128 })
const Counts = Type.Array(Type.Integer())

/** Which ends are counted, over which time, in which steps. */
export const TimeseriesQuerySchema = Type.Object(
  {
    from: Type.Optional(Type.String({ format: 'date-time', description: 'default an hour before `to`' })),
    to: Type.Optional(Type.String({ format: 'date-time', description: 'default now' })),
    step: Type.Optional(
      Type.Union(
        ASKED_STEPS.map((step) => Type.Literal(step)),
        { description: 'seconds; default the shortest that makes at most 120 steps' },
      ),
    ),
    groupBy: Type.Optional(Type.Enum(RATE_GROUPS, { description: 'one series for each; default one for all' })),
    chain: Type.Optional(Name),
    name: Type.Optional(Name),
    queue: Type.Optional(Name),
  },
  { additionalProperties: false },
)

/** How many tasks ended in each step. */
export const TimeseriesSchema = Type.Object({
  from: Time,
  to: Time,
  stepSeconds: Type.Integer(),
  series: Type.Array(
    Type.Object({
      group: Type.Union([Type.String(), Type.Null()], { description: 'null without `groupBy`' }),
      counts: Type.Object(Object.fromEntries(FINAL_STATES.map((state) => [state, Counts])), {
        description: 'for each step one, in order; the last may not be over yet',
      }),
    }),
  ),
  isComplete: Type.Boolean({ description: 'false when there may be more groups than the 20 with the most tasks' }),
})

import { HEADS } from '@blockmill/core'
import { type Static, type TSchema, Type } from 'typebox'

// Not an integer: the decimals of those are cut off before they are checked.
const BlockNumber = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER, multipleOf: 1 }
const Count = Type.Integer({ minimum: 0 })
const Name = Type.String({ minLength: 1, maxLength: 128 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

const filters = {
  chain: Type.Optional(Name),
  task: Type.Optional(Name),
  argsHash: Type.Optional(Type.String({ pattern: '^[0-9a-f]{1,64}$', description: 'of the arguments, in hex' })),
  from: Type.Optional(
    Type.Number({ ...BlockNumber, description: 'first block that is counted and listed; default the start block' }),
  ),
  to: Type.Optional(
    Type.Number({
      ...BlockNumber,
      description: 'last block that is counted and listed; default the highest that counts',
    }),
  ),
}

/** Limits of what coverage is asked for. */
export const CoverageQuerySchema = Type.Object(filters, { additionalProperties: false })

/** Limits of which gaps are asked for, and which page. */
export const GapsQuerySchema = Type.Object(
  {
    ...filters,
    limit: Type.Optional(Type.Number({ minimum: 1, maximum: 200, multipleOf: 1, description: 'default 50' })),
    cursor: Type.Optional(
      Type.String({ pattern: '^([^/]{1,128}/){3}[^/]{1,16}$', description: '`nextCursor` of the page before' }),
    ),
  },
  { additionalProperties: false },
)

const RangesSchema = Type.Object({
  /** Ascending, both ends included. */
  ranges: Type.Array(Type.Object({ from: Count, to: Count })),
  /** True when there are more than these. */
  isCut: Type.Boolean(),
})

const IsCountCut = Type.Optional(
  Type.Literal(true, {
    description: 'tasks are unfinished, or have failed, that were not looked at: there may be more than were counted',
  }),
)

const common = {
  chain: Type.String(),
  task: Type.String(),
  argsHash: Type.String(),
  args: Type.Unknown(),
  head: Type.Enum(HEADS),
  startBlock: Count,
  /** The head on record that the task follows. */
  headNumber: nullable(Count),
  evaluatedTo: nullable(Count),
  evaluatedCount: Count,
  updatedAt: Type.String({ format: 'date-time' }),
}

/** Coverage of every chain, task and set of arguments. */
export const CoverageListSchema = Type.Object({
  coverage: Type.Array(
    Type.Object({
      ...common,
      evaluated: RangesSchema,
      gapCount: Count,
      gaps: RangesSchema,
      unfinished: Count,
      failed: Count,
      isCountCut: IsCountCut,
    }),
  ),
})

const SomeBlocksSchema = Type.Object({ count: Count, ...RangesSchema.properties, isCountCut: IsCountCut })

/** A page of what is not done. */
export const GapListSchema = Type.Object({
  gaps: Type.Array(
    Type.Object({
      ...common,
      /** Blocks that were not evaluated: to the highest that was; to the head, when the task is stuck for 30 seconds. */
      missing: SomeBlocksSchema,
      /** Blocks whose task waits or runs. */
      unfinished: SomeBlocksSchema,
      /** Blocks whose task failed for good. */
      failed: SomeBlocksSchema,
    }),
  ),
  /** Absent on the last page. */
  nextCursor: Type.Optional(Type.String()),
})
export type GapList = Static<typeof GapListSchema>

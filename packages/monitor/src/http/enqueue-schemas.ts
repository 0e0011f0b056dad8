import { Type } from 'typebox'

const TIME = 'a duration such as 5m, or a time such as 2026-01-31T12:00:00Z; at most a year ahead'
const LARGEST = 1_000_000

/** A task to enqueue. */
export const EnqueueSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$', description: 'of the task definition' }),
    chain: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'default the one on record, where there is only one' }),
    ),
    args: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'at most 64 KiB; default {}' })),
    queue: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9][a-z0-9_-]{0,63}$',
        description: 'which the broker must have; default `default`',
      }),
    ),
    priority: Type.Optional(
      Type.Integer({ minimum: -LARGEST, maximum: LARGEST, description: 'lower goes first; default 10' }),
    ),
    maxAttempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LARGEST, description: 'executions in total; default 3' }),
    ),
    unique: Type.Optional(
      Type.Boolean({
        description: 'not while one with the same arguments and block is live; default true without a block',
      }),
    ),
    executeAfter: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: `not before: ${TIME}` })),
    expires: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: `fails when it was not started by then: ${TIME}` }),
    ),
    block: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'it is for' })),
    blockHash: Type.Optional(
      Type.String({ minLength: 1, maxLength: 128, description: 'of the block, for tasks on the `latest` head' }),
    ),
  },
  { additionalProperties: false },
)

/** A task that is in its queue. */
export const EnqueuedSchema = Type.Object({
  id: Type.String({ format: 'uuid' }),
  isNew: Type.Boolean({ description: 'false for a unique task that is live already' }),
})

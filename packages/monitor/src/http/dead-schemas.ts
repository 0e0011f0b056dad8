import { type Static, type TSchema, Type } from 'typebox'

import type { DeadLetterPosition, DeadLetterSummary, StoredDeadLetter } from '../dead-letters/dead-letter-store.ts'

const Time = Type.String({ format: 'date-time' })
const Uuid = Type.String({ format: 'uuid' })
const Name = Type.String({ minLength: 1, maxLength: 256 })
const nullable = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()])

const filter = {
  reason: Type.Optional(Name),
  queue: Type.Optional(
    Type.String({ ...Name, description: 'that it came from: `default`, or `blockmill.work.default.normal`' }),
  ),
  task: Type.Optional(Name),
}

/** Filters and page of a list of dead letters. */
export const DeadListQuerySchema = Type.Object(
  {
    ...filter,
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, description: 'default 50' })),
    cursor: Type.Optional(
      Type.String({
        pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`,
        description: '`nextCursor` of the page before',
      }),
    ),
  },
  { additionalProperties: false },
)

const summary = {
  id: Uuid,
  receivedAt: Time,
  queue: nullable(Type.String({ description: 'that it came from, as far as known' })),
  reason: Type.String(),
  error: nullable(Type.String()),
  type: nullable(Type.String({ description: "the message's `type` property" })),
  chain: nullable(Type.String()),
  task: nullable(Type.String({ description: 'null when it cannot be read as a task message' })),
  taskId: nullable(Type.String({ ...Uuid, description: 'its first task' })),
  bytes: Type.Integer({ minimum: 0 }),
}

/** A page of dead letters, those that came last first. */
export const DeadListSchema = Type.Object({
  letters: Type.Array(Type.Object(summary)),
  /** Absent on the last page. */
  nextCursor: Type.Optional(Type.String()),
})

/** One dead letter with its content. */
export const DeadDetailSchema = Type.Object({
  ...summary,
  headers: Type.Unknown(),
  body: Type.Object({
    encoding: Type.Enum(['text', 'base64'], { description: 'base64 when it is not UTF-8' }),
    data: Type.String(),
  }),
})

/** Names a dead letter in a path. */
export const DeadParamsSchema = Type.Object({ id: Uuid })

/** Which dead letters are replayed or deleted. */
export const DeadSelectionSchema = Type.Object(
  {
    ...filter,
    all: Type.Optional(Type.Boolean({ description: 'needed when nothing else says which' })),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000, description: 'at most so many, the oldest first; default 1000' }),
    ),
  },
  { additionalProperties: false },
)
export type DeadSelection = Static<typeof DeadSelectionSchema>

/** What was published again from one letter. */
export const DeadReplaySchema = Type.Object({
  id: Uuid,
  taskIds: Type.Array(Uuid),
  generation: Type.Integer({ description: 'of the new run' }),
})

/** What became of several letters. */
export const DeadReplaysSchema = Type.Object({
  replayed: Type.Integer({ minimum: 0 }),
  refused: Type.Array(Type.Object({ id: Uuid, why: Type.String() }), { description: 'letters that stay, and why' }),
  left: Type.Integer({ minimum: 0, description: 'letters that still fit, the refused ones included' }),
})

/** How many letters were deleted. */
export const DeadPurgeSchema = Type.Object({
  deleted: Type.Integer({ minimum: 0 }),
  left: Type.Integer({ minimum: 0, description: 'letters that still fit' }),
})

/** A dead letter in a list. */
export function deadLetterView({
  receivedAt,
  ...letter
}: DeadLetterSummary): Static<typeof DeadListSchema>['letters'][number] {
  return { ...letter, receivedAt: receivedAt.toISOString() }
}

/** A dead letter with its content. */
export function deadDetailView({ headers, body, ...letter }: StoredDeadLetter): Static<typeof DeadDetailSchema> {
  return { ...deadLetterView(letter), headers, body: bodyView(body) }
}

/** The position as it travels. */
export function cursorOf({ time, id }: DeadLetterPosition): string {
  return `${time}_${id}`
}

/** The position that `cursorOf` made a cursor of. */
export function positionOf(cursor: string): DeadLetterPosition {
  const [time = '', id = ''] = cursor.split('_')
  return { time, id }
}

function bodyView(body: Buffer): Static<typeof DeadDetailSchema>['body'] {
  try {
    return { encoding: 'text', data: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) }
  } catch {
    return { encoding: 'base64', data: body.toString('base64') }
  }
}

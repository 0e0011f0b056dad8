import type { Database } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

import { type FailureGroup, type FailurePosition, readFailures } from '../failures/failure-groups.ts'
import { ProblemSchema } from './problem.ts'

const Time = Type.String({ format: 'date-time' })
const Name = Type.String({ minLength: 1, maxLength: 128 })
const Count = Type.Integer({ minimum: 0 })
const Fingerprint = Type.String({ pattern: '^[0-9a-f]{16}$' })

/** Which groups of failures. */
export const FailureQuerySchema = Type.Object(
  {
    task: Type.Optional(Name),
    chain: Type.Optional(Name),
    since: Type.Optional(Type.String({ ...Time, description: 'only tasks that failed since then' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: 'default 50' })),
    cursor: Type.Optional(
      Type.String({
        pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z_[0-9a-f]{16}$`,
        description: '`nextCursor` of the page before',
      }),
    ),
  },
  { additionalProperties: false },
)

/** Groups of failures, those that were seen last first. */
export const FailureListSchema = Type.Object({
  groups: Type.Array(
    Type.Object({
      fingerprint: Type.String({ ...Fingerprint, description: 'a filter of `/tasks`' }),
      task: Type.String(),
      errorName: Type.String(),
      message: Type.String({ description: 'with stand-ins for what is different in each' }),
      count: Type.Integer({ minimum: 0, description: 'tasks whose last attempt failed so' }),
      retrying: Type.Integer({ ...Count, description: 'those of them that will be tried again' }),
      isCountCut: Type.Optional(
        Type.Literal(true, { description: 'so many tasks that not all were counted: there may be more' }),
      ),
      chains: Type.Array(Type.String()),
      firstSeen: Time,
      lastSeen: Time,
      example: Type.Object({ id: Type.String({ format: 'uuid' }), message: Type.String() }),
    }),
  ),
  /** Absent on the last page. */
  nextCursor: Type.Optional(Type.String()),
})

/** `GET /failures`: tasks whose last attempt failed, grouped by what their failures have in common. */
export function failureRoutes({ database }: { readonly database: Database }): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/failures',
      {
        schema: {
          summary: 'Failures in groups of one kind, those that were seen last first',
          querystring: FailureQuerySchema,
          response: { 200: FailureListSchema, 400: ProblemSchema },
        },
      },
      async ({ query: { since, cursor, ...filter } }) => {
        const { groups, next } = await readFailures(database.query, {
          ...filter,
          since: since === undefined ? undefined : new Date(since),
          before: cursor === undefined ? undefined : positionOf(cursor),
        })
        return { groups: groups.map(groupView), ...(next && { nextCursor: `${next.time}_${next.fingerprint}` }) }
      },
    )
  }
}

function groupView({ firstSeen, lastSeen, chains, ...group }: FailureGroup) {
  return { ...group, chains: [...chains], firstSeen: firstSeen.toISOString(), lastSeen: lastSeen.toISOString() }
}

function positionOf(cursor: string): FailurePosition {
  const [time = '', fingerprint = ''] = cursor.split('_')
  return { time, fingerprint }
}

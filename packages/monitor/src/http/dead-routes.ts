import { type Broker, type Database, type ErrorCode } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'

import {
  countDeadLetters,
  deleteDeadLetters,
  findDeadLetter,
  idsOfDeadLetters,
  listDeadLetters,
} from '../dead-letters/dead-letter-store.ts'
import { replayDeadLetter, replayDeadLetters } from '../dead-letters/replay-dead-letters.ts'
import {
  cursorOf,
  DeadDetailSchema,
  deadDetailView,
  deadLetterView,
  DeadListQuerySchema,
  DeadListSchema,
  DeadParamsSchema,
  DeadPurgeSchema,
  DeadReplaySchema,
  DeadReplaysSchema,
  type DeadSelection,
  DeadSelectionSchema,
  positionOf,
} from './dead-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { answerRefusals } from './refusals.ts'

export interface DeadRoutesPorts {
  readonly database: Database
  /** Without it, nothing can be replayed. */
  readonly broker?: Pick<Broker, 'topology' | 'publisher' | 'declare' | 'isReady'> | undefined
  readonly now: () => Date
}

const DEFAULT_LIMIT = 1_000

const STATUS: Partial<Record<ErrorCode, number>> = {
  DEAD_LETTER_UNKNOWN: 404,
  DEAD_LETTER_CONFLICT: 409,
  BROKER_PUBLISH_FAILED: 503,
  BROKER_UNREACHABLE: 503,
}

/**
 * | route | does |
 * | --- | --- |
 * | `GET /dead` | lists dead letters by filter, a page at a time |
 * | `GET /dead/:id` | shows one with its headers and body |
 * | `POST /dead/:id/replay` | runs its tasks again, as a new generation |
 * | `POST /dead/replay` | the same for all that fit a filter, at most 1,000 at once |
 * | `DELETE /dead/:id` | deletes one |
 * | `POST /dead/purge` | deletes all that fit a filter, at most 1,000 at once |
 */
export function deadRoutes({ database, broker, now }: DeadRoutesPorts): FastifyPluginAsyncTypebox {
  const { query: sql } = database

  return async (app) => {
    answerRefusals(app, STATUS)
    app.get(
      '/dead',
      {
        schema: {
          summary: 'Dead letters by filter, those that came last first',
          querystring: DeadListQuerySchema,
          response: { 200: DeadListSchema, 400: ProblemSchema },
        },
      },
      async ({ query: { cursor, ...filter } }) => {
        const before = cursor === undefined ? undefined : positionOf(cursor)
        const { letters, next } = await listDeadLetters(sql, { ...filter, before })
        return { letters: letters.map(deadLetterView), ...(next && { nextCursor: cursorOf(next) }) }
      },
    )
    app.get(
      '/dead/:id',
      {
        schema: {
          summary: 'One dead letter with its headers and body',
          params: DeadParamsSchema,
          response: { 200: DeadDetailSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) => {
        const letter = await findDeadLetter(sql, id)
        return letter === undefined ? refuseId(reply, id) : deadDetailView(letter)
      },
    )
    app.post(
      '/dead/:id/replay',
      {
        schema: {
          summary: 'Runs the tasks of a dead letter again, as a new generation, and deletes the letter',
          params: DeadParamsSchema,
          response: {
            200: DeadReplaySchema,
            403: ProblemSchema,
            404: ProblemSchema,
            409: ProblemSchema,
            503: ProblemSchema,
          },
        },
      },
      async ({ params: { id } }, reply) => {
        if (broker?.isReady() !== true) return refuseForWantOfBroker(reply)
        const { taskIds, generation } = await replayDeadLetter({ database, broker, now }, id)
        return { id, taskIds: [...taskIds], generation }
      },
    )
    app.post(
      '/dead/replay',
      {
        schema: {
          summary: 'Runs the tasks of all dead letters that fit a filter again, the oldest first',
          body: DeadSelectionSchema,
          response: { 200: DeadReplaysSchema, 400: ProblemSchema, 403: ProblemSchema, 503: ProblemSchema },
        },
      },
      async ({ body: { limit = DEFAULT_LIMIT, ...selection } }, reply) => {
        if (!saysWhich(selection)) return refuseSelection(reply)
        if (broker?.isReady() !== true) return refuseForWantOfBroker(reply)
        const ids = await idsOfDeadLetters(sql, selection, limit)
        const { replayed, refused } = await replayDeadLetters({ database, broker, now }, ids)
        return { replayed, refused: [...refused], left: await countDeadLetters(sql, selection) }
      },
    )
    app.delete(
      '/dead/:id',
      {
        schema: {
          summary: 'Deletes a dead letter; its task stays on record',
          params: DeadParamsSchema,
          response: { 204: { type: 'null' }, 403: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) => {
        const deleted = await deleteDeadLetters(sql, [id])
        return deleted === 0 ? refuseId(reply, id) : reply.code(204).send(null)
      },
    )
    app.post(
      '/dead/purge',
      {
        schema: {
          summary: 'Deletes all dead letters that fit a filter, the oldest first; their tasks stay on record',
          body: DeadSelectionSchema,
          response: { 200: DeadPurgeSchema, 400: ProblemSchema, 403: ProblemSchema },
        },
      },
      async ({ body: { limit = DEFAULT_LIMIT, ...selection } }, reply) => {
        if (!saysWhich(selection)) return refuseSelection(reply)
        const deleted = await deleteDeadLetters(sql, await idsOfDeadLetters(sql, selection, limit))
        return { deleted, left: await countDeadLetters(sql, selection) }
      },
    )
  }
}

/** An empty filter would mean everything, which nobody should order by mistake. */
function saysWhich({ reason, queue, task, all }: DeadSelection): boolean {
  return all === true || [reason, queue, task].some((value) => value !== undefined)
}

function refuseSelection(reply: FastifyReply): FastifyReply {
  const message = 'must be true when neither reason nor queue nor task is given'
  return sendProblem(reply, 400, `The request is invalid: all ${message}.`, [{ field: 'all', message }])
}

function refuseId(reply: FastifyReply, id: string): FastifyReply {
  return sendProblem(reply, 404, `No dead letter with the id ${id} is on record.`)
}

function refuseForWantOfBroker(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, 503, 'The broker takes no messages at the moment. Try again later.')
}

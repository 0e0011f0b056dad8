import {
  type BackfillOrder,
  backfillProblems,
  createBackfillJob,
  createBackfills,
  type Database,
  type ErrorCode,
  type Head,
  type JsonObject,
} from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'

import {
  BackfillDetailSchema,
  backfillDetailView,
  BackfillListQuerySchema,
  BackfillListSchema,
  type BackfillRequestBody,
  BackfillRequestSchema,
  BackfillSchema,
  backfillView,
} from './backfill-schemas.ts'
import { authorOf } from './authentication.ts'
import { JobParamsSchema } from './durable-job-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { answerRefusals } from './refusals.ts'

const ORDERS: readonly { readonly order: BackfillOrder; readonly summary: string }[] = [
  { order: 'pause', summary: 'Schedules nothing more of a back-fill until it is resumed; queued tasks run on' },
  { order: 'resume', summary: 'Goes on with a back-fill that was paused, or tries again what failed' },
  { order: 'cancel', summary: 'Ends a back-fill for good; queued tasks run on' },
]

const STATUS: Partial<Record<ErrorCode, number>> = {
  BACKFILL_INVALID: 400,
  BACKFILL_UNKNOWN: 404,
  BACKFILL_CONFLICT: 409,
}

export interface BackfillRoutesPorts {
  readonly database: Database
  readonly now: () => Date
}

/**
 * | route | does |
 * | --- | --- |
 * | `POST /backfills` | puts a job on record; the scheduler of its chain takes it up within about a second |
 * | `GET /backfills` | lists jobs with their progress, the newest first |
 * | `GET /backfills/:id` | tells a job's progress for each set of arguments, and its tasks on record |
 * | `POST /backfills/:id/pause`, `/resume`, `/cancel` | gives an order, which the scheduler follows within about a second |
 */
export function backfillRoutes({ database, now }: BackfillRoutesPorts): FastifyPluginAsyncTypebox {
  const backfills = createBackfills(database)

  return async (app) => {
    answerRefusals(app, STATUS)

    app.post(
      '/backfills',
      {
        schema: {
          summary: 'Starts a back-fill of past blocks',
          body: BackfillRequestSchema,
          response: { 201: BackfillSchema, 400: ProblemSchema, 403: ProblemSchema, 404: ProblemSchema },
        },
      },
      async (request, reply) => {
        const { body } = request
        const problems = backfillProblems({ ...body, args: body.args as JsonObject | undefined })
        if (problems.length > 0) {
          const detail = problems.map(({ message }) => message).join('; ')
          return sendProblem(reply, 400, `The request is invalid: ${detail}.`, [...problems])
        }
        const known = await readHeads(database, body)
        const [chain, ...others] = new Set(known.map((one) => one.chain))
        const [first] = known
        if (first === undefined || chain === undefined) return refuseTask(reply, body)
        if (others.length > 0) return refuseChain(reply, [chain, ...others])
        const { task, from, to, args, chunk, window, rate, force } = body
        const limits = { chunk, window, rate, force, args: args as JsonObject | undefined }
        const createdBy = authorOf(request)
        const job = createBackfillJob({ chain, task, head: first.head, from, to, ...limits, createdBy }, now())
        await backfills.create(job)
        return reply.code(201).send(backfillView(await backfills.summary(job.id)))
      },
    )
    app.get(
      '/backfills',
      {
        schema: {
          summary: 'Back-fills with their progress, the newest first',
          querystring: BackfillListQuerySchema,
          response: { 200: BackfillListSchema, 400: ProblemSchema },
        },
      },
      async ({ query: { state, ...filter } }) => ({
        backfills: (await backfills.list({ ...filter, states: state })).map(backfillView),
      }),
    )
    app.get(
      '/backfills/:id',
      {
        schema: {
          summary: 'One back-fill: its progress for each set of arguments, and its tasks on record',
          params: JobParamsSchema,
          response: { 200: BackfillDetailSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }) => backfillDetailView(await backfills.detail(id)),
    )
    for (const { order, summary } of ORDERS) {
      app.post(
        `/backfills/:id/${order}`,
        {
          schema: {
            summary,
            params: JobParamsSchema,
            response: { 200: BackfillSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema },
          },
        },
        async ({ params: { id } }) => backfillView(await backfills.order(id, order)),
      )
    }
  }
}

interface KnownTask {
  readonly chain: string
  readonly head: Head
}

/** Where a task has coverage: the monitor knows no definitions, only what has run. What was written last comes first. */
function readHeads({ query }: Database, { task, chain }: BackfillRequestBody): Promise<KnownTask[]> {
  return query<KnownTask>(
    `select chain, head from blockmill.coverage where task = $1 and ($2::text is null or chain = $2)
     order by updated_at desc`,
    [task, chain ?? null],
  )
}

function refuseTask(reply: FastifyReply, { task, chain }: BackfillRequestBody): FastifyReply {
  const where = chain === undefined ? '' : ` on chain '${chain}'`
  return sendProblem(
    reply,
    404,
    `No task '${task}' is on record${where}: a scheduler puts it there when it first runs. Check the name.`,
  )
}

function refuseChain(reply: FastifyReply, chains: readonly string[]): FastifyReply {
  const message = `is needed, because the task runs on several: ${chains.join(', ')}`
  return sendProblem(reply, 400, `The request is invalid: chain ${message}.`, [{ field: 'chain', message }])
}

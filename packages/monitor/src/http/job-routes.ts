import {
  createRangeJob,
  createRangeJobs,
  type Database,
  type JsonObject,
  type Logger,
  type RangeJobOrder,
  rangeJobProblems,
  removeResultFiles,
} from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

import { authorOf } from './authentication.ts'
import { JobParamsSchema } from './durable-job-schemas.ts'
import { jobResultsRoute } from './job-results-route.ts'
import {
  BatchListQuerySchema,
  BatchListSchema,
  batchView,
  RangeJobDetailSchema,
  rangeJobDetailView,
  RangeJobListQuerySchema,
  RangeJobListSchema,
  RangeJobRequestSchema,
  RangeJobSchema,
  rangeJobView,
} from './job-schemas.ts'
import { type Problem, ProblemSchema, sendProblem } from './problem.ts'
import { answerRefusals } from './refusals.ts'

const ORDERS: readonly { readonly order: RangeJobOrder; readonly summary: string }[] = [
  { order: 'pause', summary: 'Dispatches no more batches of a job until it is resumed; queued ones run on' },
  { order: 'resume', summary: 'Goes on with a job that was paused' },
  { order: 'cancel', summary: 'Ends a job for good, and calls off its queued batches' },
  { order: 'retry-failed', summary: 'Runs the failed batches of a job anew' },
]

const DEFAULT_LIMIT = 100

export interface JobRoutesPorts {
  readonly database: Database
  readonly logger: Logger
  readonly now: () => Date
  /** Folder of the results that are kept in files. */
  readonly resultsDir?: string | undefined
}

/**
 * | route | does |
 * | --- | --- |
 * | `POST /jobs` | puts a range job on record; the scheduler of its chain takes it up within about a second |
 * | `GET /jobs` | lists jobs with their progress, the newest first, a page at a time |
 * | `GET /jobs/:id` | tells a job's progress, and the blocks that are missing of it |
 * | `GET /jobs/:id/batches` | lists its batches, a page at a time |
 * | `POST /jobs/:id/pause`, `/resume`, `/cancel`, `/retry-failed` | gives an order, which the scheduler follows within about a second |
 * | `DELETE /jobs/:id` | deletes a job that is over, with its results |
 * | `GET /jobs/:id/results` | see `jobResultsRoute` |
 */
export function jobRoutes({ database, logger, now, resultsDir }: JobRoutesPorts): FastifyPluginAsyncTypebox {
  const jobs = createRangeJobs(database)

  return async (app) => {
    answerRefusals(app, {
      RANGE_JOB_INVALID: 400,
      EXPORT_INVALID: 400,
      RANGE_JOB_UNKNOWN: 404,
      RANGE_JOB_CONFLICT: 409,
      RESULTS_INCOMPLETE: 409,
    })
    await app.register(jobResultsRoute({ database, logger, resultsDir }))

    app.post(
      '/jobs',
      {
        schema: {
          summary: 'Starts a range job: a task over many blocks, in batches',
          body: RangeJobRequestSchema,
          response: { 201: RangeJobSchema, 400: ProblemSchema, 403: ProblemSchema },
        },
      },
      async (request, reply) => {
        const { chain: asked, args, ...rest } = request.body
        const body = { ...rest, args: args as JsonObject | undefined }
        const chain = await findChain(database, asked)
        const problems = [...rangeJobProblems(body), ...('problem' in chain ? [chain.problem] : [])]
        if (problems.length > 0 || 'problem' in chain) {
          const detail = problems.map(({ message }) => message).join('; ')
          return sendProblem(reply, 400, `The request is invalid: ${detail}.`, problems)
        }
        const job = createRangeJob({ ...body, chain: chain.name, createdBy: authorOf(request) }, now())
        await jobs.create(job)
        return reply.code(201).send(rangeJobView(await jobs.summary(job.id)))
      },
    )
    app.get(
      '/jobs',
      {
        schema: {
          summary: 'Range jobs with their progress, the newest first, a page at a time',
          querystring: RangeJobListQuerySchema,
          response: { 200: RangeJobListSchema, 400: ProblemSchema },
        },
      },
      async ({ query: { state, cursor, limit = DEFAULT_LIMIT, ...filter } }) => {
        const found = await jobs.list({ ...filter, states: state, before: cursor, limit: limit + 1 })
        const page = found.slice(0, limit)
        const last = found.length > limit ? page.at(-1) : undefined
        return { jobs: page.map(rangeJobView), ...(last && { nextCursor: last.id }) }
      },
    )
    app.get(
      '/jobs/:id',
      {
        schema: {
          summary: 'One range job: its progress, and the blocks that are missing of it',
          params: JobParamsSchema,
          response: { 200: RangeJobDetailSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }) => rangeJobDetailView(await jobs.detail(id)),
    )
    app.get(
      '/jobs/:id/batches',
      {
        schema: {
          summary: 'The batches of a range job, by their first block, a page at a time',
          params: JobParamsSchema,
          querystring: BatchListQuerySchema,
          response: { 200: BatchListSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id }, query: { state, cursor, limit = DEFAULT_LIMIT } }) => {
        // A page may be a little longer: it does not end between a batch and its pieces.
        const page = await jobs.batches(id, { states: state, after: cursor, limit })
        const last = page.length < limit ? undefined : page.at(-1)
        return { batches: page.map(batchView), ...(last && { nextCursor: last.from }) }
      },
    )
    for (const { order, summary } of ORDERS) {
      app.post(
        `/jobs/:id/${order}`,
        {
          schema: {
            summary,
            params: JobParamsSchema,
            response: { 200: RangeJobSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema },
          },
        },
        async ({ params: { id } }) => rangeJobView(await jobs.order(id, order)),
      )
    }
    app.delete(
      '/jobs/:id',
      {
        schema: {
          summary: 'Deletes a range job that is over, with its batches and results',
          params: JobParamsSchema,
          response: { 204: Type.Null(), 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) => {
        await jobs.delete(id)
        if (resultsDir !== undefined) await removeResultFiles(resultsDir, id.toLowerCase())
        return reply.code(204).send(null)
      },
    )
  }
}

type FoundChain = { readonly name: string } | { readonly problem: NonNullable<Problem['errors']>[number] }

/** A job of a chain that no scheduler serves would wait for ever. */
async function findChain({ query }: Database, asked: string | undefined): Promise<FoundChain> {
  const chains = (await query<{ id: string }>('select id from blockmill.chain order by id')).map(({ id }) => id)
  const [first, ...others] = chains
  const wanted = asked ?? (others.length === 0 ? first : undefined)
  if (wanted !== undefined && chains.includes(wanted)) return { name: wanted }
  const known = first === undefined ? 'there is none yet: a scheduler puts it there' : `there is ${chains.join(', ')}`
  const rule = asked === undefined ? 'is needed' : `'${asked}' is not on record`
  return { problem: { field: 'chain', message: `chain ${rule}; ${known}` } }
}

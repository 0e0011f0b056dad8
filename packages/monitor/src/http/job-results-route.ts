import { Readable } from 'node:stream'

import { type Database, exportJob, type ExportFormat, type JobExport, type Logger } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

import { JobParamsSchema } from './durable-job-schemas.ts'
import { ResultsQuerySchema } from './job-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'

export interface JobResultsRoutePorts {
  readonly database: Database
  readonly logger: Logger
  /** Folder of the results that are kept in files. */
  readonly resultsDir?: string | undefined
}

const CONTENT_TYPE = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
} as const satisfies Record<ExportFormat, string>

/** Each keeps a processor busy; recording must not wait for them. */
const MOST_AT_ONCE = 4
const RETRY_AFTER_SECONDS = 10
/** A client waits for its first byte as long as these are read. */
const SURVEY_ROWS = 10_000

const Bytes = { schema: Type.Unsafe<Readable>(Type.String()) }

/**
 * `GET /jobs/:id/results`: the rows of a job in the order of its blocks, as NDJSON, CSV or Parquet, as fast as the client reads.
 * An answer that breaks off, without the last chunk that HTTP asks for, is not complete.
 */
export function jobResultsRoute({ database, logger, resultsDir }: JobResultsRoutePorts): FastifyPluginAsyncTypebox {
  let underWay = 0

  async function* watched({ job, chunks }: JobExport): JobExport['chunks'] {
    try {
      yield* chunks
    } catch (error) {
      // The status has gone out: breaking the connection off is how the client hears of it.
      logger.warn({ err: error, job: job.id }, 'sending the results of a range job broke off')
      throw error
    }
  }

  return async (app) => {
    app.get(
      '/jobs/:id/results',
      {
        // It would read all rows, and send none.
        exposeHeadRoute: false,
        schema: {
          summary: 'The rows of a range job, in the order of its blocks',
          params: JobParamsSchema,
          querystring: ResultsQuerySchema,
          response: {
            200: {
              description: 'Rows',
              content: {
                [CONTENT_TYPE.ndjson]: Bytes,
                [CONTENT_TYPE.csv]: Bytes,
                [CONTENT_TYPE.parquet]: Bytes,
              },
            },
            400: ProblemSchema,
            404: ProblemSchema,
            409: ProblemSchema,
            503: ProblemSchema,
          },
        },
      },
      async ({ params: { id }, query }, reply) => {
        const { format = 'ndjson', ...options } = query
        if (underWay >= MOST_AT_ONCE) {
          const detail = 'As many results as may be are being sent already. Try again later.'
          return sendProblem(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, detail)
        }
        underWay += 1
        // Whatever comes of the request, its connection closes or takes the next one after that.
        reply.raw.once('close', () => (underWay -= 1))
        const exported = await exportJob(database, id, { ...options, format, surveyRows: SURVEY_ROWS, resultsDir })
        return reply
          .type(format === 'csv' ? `${CONTENT_TYPE.csv}; charset=utf-8` : CONTENT_TYPE[format])
          .header('content-disposition', `attachment; filename="${id}.${format}"`)
          .send(Readable.from(watched(exported), { objectMode: false }))
      },
    )
  }
}

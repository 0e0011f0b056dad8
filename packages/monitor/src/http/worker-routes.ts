import { type Broker, type Control, createControl, type Database, type Logger, WorkerEntity } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'

import { authorOf } from './authentication.ts'
import { isLost } from './lost-worker.ts'
import { WorkerListSchema } from './monitor-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { WorkerAnswerSchema, WorkerParamsSchema } from './queue-schemas.ts'
import { readWorkers } from './read-workers.ts'

export interface WorkerRoutesPorts {
  readonly database: Database
  /** Without it, workers cannot be spoken to. */
  readonly broker?: Broker | undefined
  readonly logger: Logger
  readonly now: () => Date
}

const ANSWER_WITHIN_MS = 2_000

const ORDERS = [
  {
    order: 'shutdown',
    summary: 'Stops a worker gracefully: it finishes what it runs',
    state: 'stopping',
    give: (control: Control, name: string) => control.shutdown(name),
  },
  {
    order: 'ping',
    summary: 'Asks a worker whether it hears; the answer comes after two seconds',
    state: 'alive',
    give: (control: Control) => control.ping(),
  },
] as const

/**
 * | route | does |
 * | --- | --- |
 * | `GET /workers` | lists workers and what they run |
 * | `POST /workers/:name/shutdown` | stops one gracefully |
 * | `POST /workers/:name/ping` | asks one whether it hears |
 *
 * A worker that has stopped, is lost or does not answer is a conflict.
 */
export function workerRoutes({ database, broker, logger, now }: WorkerRoutesPorts): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/workers',
      { schema: { summary: 'Workers and what they run', response: { 200: WorkerListSchema } } },
      async () => ({ workers: await readWorkers(database, now()) }),
    )
    for (const { order, summary, state, give } of ORDERS) {
      app.post(
        `/workers/:name/${order}`,
        {
          schema: {
            summary,
            params: WorkerParamsSchema,
            response: {
              200: WorkerAnswerSchema,
              403: ProblemSchema,
              404: ProblemSchema,
              409: ProblemSchema,
              503: ProblemSchema,
            },
          },
        },
        async (request, reply) => {
          const { name } = request.params
          const refusal = await refuseWorker(name, reply)
          if (refusal !== undefined) return refusal
          if (broker?.isReady() !== true) {
            return sendProblem(reply, 503, 'The broker cannot be reached at the moment. Try again later.')
          }
          const hasAnswered = await ask(broker, request, name, give)
          if (hasAnswered) return { worker: name, state }
          return sendProblem(reply, 409, `Worker ${name} did not answer within ${ANSWER_WITHIN_MS / 1_000} seconds.`)
        },
      )
    }
  }

  async function refuseWorker(name: string, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const worker = await database.em().findOne(WorkerEntity, { name })
    if (worker === null) return sendProblem(reply, 404, `No worker named ${name} is on record.`)
    if (worker.state === 'stopped') return sendProblem(reply, 409, `Worker ${name} has stopped.`)
    if (!isLost(worker, now())) return undefined
    return sendProblem(reply, 409, `Worker ${name} is lost: it was last seen at ${worker.lastSeenAt.toISOString()}.`)
  }

  async function ask(
    connected: Broker,
    request: FastifyRequest,
    name: string,
    give: (typeof ORDERS)[number]['give'],
  ): Promise<boolean> {
    const control = createControl({ broker: connected, logger, by: authorOf(request), waitMs: ANSWER_WITHIN_MS })
    try {
      const replies = await give(control, name)
      return replies.some(({ type, from }) => type === 'worker' && from === name)
    } finally {
      await control.close()
    }
  }
}

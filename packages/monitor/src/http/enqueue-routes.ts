import { type Broker, type Database, DEFAULT_QUEUE, MAX_ARGS_BYTES } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'

import { enqueueProblems, enqueueTask, type FieldProblem } from '../actions/enqueue-task.ts'
import { brokerFor } from './broker-for.ts'
import { EnqueuedSchema, EnqueueSchema } from './enqueue-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'

export interface EnqueueRoutesPorts {
  readonly database: Database
  /** Without it, the route answers 503. */
  readonly broker?: Broker | undefined
  readonly now: () => Date
}

const refusals = { 400: ProblemSchema, 403: ProblemSchema, 409: ProblemSchema, 413: ProblemSchema, 503: ProblemSchema }

/**
 * | route | does |
 * | --- | --- |
 * | `POST /tasks` | enqueues a task: 201 with its id, or 200 with the id of the unique one that is live already |
 */
export function enqueueRoutes({ database, broker, now }: EnqueueRoutesPorts): FastifyPluginAsyncTypebox {
  return async (app) => {
    const ready = brokerFor(app, broker)

    app.post(
      '/tasks',
      {
        schema: {
          summary: 'Enqueues a task by its name; a unique one that is live already is not started again',
          body: EnqueueSchema,
          response: { 200: EnqueuedSchema, 201: EnqueuedSchema, ...refusals },
        },
      },
      async ({ body }, reply) => {
        const size = Buffer.byteLength(JSON.stringify(body.args ?? {}))
        if (size > MAX_ARGS_BYTES) {
          return sendProblem(reply, 413, `args is ${size} bytes of JSON; at most ${MAX_ARGS_BYTES} are allowed.`)
        }
        if (body.blockHash !== undefined && body.block === undefined) {
          return refuse(reply, [{ field: 'blockHash', message: 'needs block' }])
        }
        const connected = ready()
        const chain = body.chain ?? (await onlyChain(database))
        if (chain === undefined) {
          return refuse(reply, [{ field: 'chain', message: 'is missing, and the record does not have exactly one' }])
        }
        const { queue = DEFAULT_QUEUE } = body
        // A queue that nobody serves would keep the task for ever. The default one is always meant.
        if (queue !== DEFAULT_QUEUE && !(await exists(connected, queue))) {
          const detail = `The broker has no queue '${queue}': nobody would serve it. Check the name, or start a worker for it first.`
          return sendProblem(reply, 409, detail)
        }
        try {
          const { id, isNew } = await enqueueTask({ database, broker: connected, now }, { ...body, chain })
          return await reply
            .code(isNew ? 201 : 200)
            .header('location', `/api/v1/tasks/${id}`)
            .send({ id, isNew })
        } catch (error) {
          const problems = enqueueProblems(error)
          if (problems.length === 0) throw error
          return refuse(reply, problems)
        }
      },
    )
  }
}

function refuse(reply: FastifyReply, problems: readonly FieldProblem[]): FastifyReply {
  const detail = problems.map(({ field, message }) => `${field} ${message}`).join('; ')
  return sendProblem(reply, 400, `The request is invalid: ${detail}.`, [...problems])
}

async function onlyChain({ query }: Database): Promise<string | undefined> {
  const chains = await query<{ id: string }>('select id from blockmill.chain limit 2')
  return chains.length === 1 ? chains[0]?.id : undefined
}

async function exists(broker: Broker, queue: string): Promise<boolean> {
  return (await broker.depth(broker.topology.workQueue(queue, 'normal'))) !== undefined
}

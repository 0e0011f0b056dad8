import type { Broker, Database } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

import { cancelWaiting, countWaiting } from '../actions/cancel-waiting.ts'
import { moveMessages } from '../actions/move-messages.ts'
import type { Operations } from '../actions/operations.ts'
import { authorOf } from './authentication.ts'
import { brokerFor } from './broker-for.ts'
import { refuseForWantOfRoom } from './operation-refusal.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { lanesOf, unknownQueue } from './queue-routes.ts'
import { MoveSchema, PurgeQuerySchema, PurgeSchema, QueueParamsSchema } from './queue-schemas.ts'
import { OperationSchema, operationView } from './task-action-schemas.ts'

export interface QueueMessageRoutesPorts {
  readonly database: Database
  /** Without it, these routes answer 503. */
  readonly broker?: Broker | undefined
  readonly operations: Operations
  readonly now: () => Date
}

const PURGED =
  'The tasks stay on record as they were: the reconciler publishes those that are still wanted again. Cancel them to be rid of them.'
const PURGED_AND_CANCELLED = 'Their tasks are called off in the background: see the operation.'

const refusals = { 400: ProblemSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema, 503: ProblemSchema }

/**
 * | route | does |
 * | --- | --- |
 * | `POST /queues/:name/purge` | drops the messages that wait, or those of one lane; with `?cancel=true` calls off their tasks |
 * | `POST /queues/:name/move` | moves the messages that wait, or those of one lane, to another queue |
 */
export function queueMessageRoutes(ports: QueueMessageRoutesPorts): FastifyPluginAsyncTypebox {
  const { database, broker, operations, now } = ports
  return async (app) => {
    const ready = brokerFor(app, broker)

    app.post(
      '/queues/:name/purge',
      {
        schema: {
          summary: 'Drops the messages that wait in a queue, or in one lane of it; their tasks stay on record',
          params: QueueParamsSchema,
          querystring: PurgeQuerySchema,
          response: { 200: PurgeSchema, ...refusals },
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const { lane, cancel = false } = request.query
        const connected = ready()
        if (cancel && !operations.hasRoom()) return refuseForWantOfRoom(reply)
        const requestedAt = now()
        const purged = await Promise.all(
          lanesOf(lane).map(async (each) => ({
            lane: each,
            purged: await connected.purge(connected.topology.workQueue(name, each)),
          })),
        )
        const lanes = purged.flatMap((each) =>
          each.purged === undefined ? [] : [{ lane: each.lane, purged: each.purged }],
        )
        if (lanes.length === 0) return sendProblem(reply, 404, unknownQueue(name))
        const dropped = { queue: name, purged: lanes.reduce((sum, each) => sum + each.purged, 0), lanes }
        if (!cancel) return { ...dropped, note: PURGED }
        const by = authorOf(request)
        const place = { queue: name, lane, requestedAt }
        const operation = operations.start({
          action: 'cancel',
          createdBy: by,
          total: await countWaiting(database.query, place),
          steps: () => cancelWaiting({ database, broker: connected, now, by }, place),
        })
        // Others were quicker. The same order given again does what is left.
        if (operation === undefined) return refuseForWantOfRoom(reply)
        return { ...dropped, note: PURGED_AND_CANCELLED, operation: operationView(operation) }
      },
    )
    app.post(
      '/queues/:name/move',
      {
        schema: {
          summary: 'Moves the messages that wait in a queue, or in one lane of it, to another queue, in the background',
          params: QueueParamsSchema,
          body: MoveSchema,
          response: { 202: OperationSchema, ...refusals },
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const { to, lane } = request.body
        if (to === name) {
          const message = 'must be another queue'
          return sendProblem(reply, 400, `The request is invalid: to ${message}.`, [{ field: 'to', message }])
        }
        const connected = ready()
        const lanes = lanesOf(lane)
        const [from, target] = await Promise.all(
          [name, to].map((queue) =>
            Promise.all(lanes.map((each) => connected.depth(connected.topology.workQueue(queue, each)))),
          ),
        )
        if (from?.every((depth) => depth === undefined)) return sendProblem(reply, 404, unknownQueue(name))
        if (target?.some((depth) => depth === undefined)) {
          const detail = `The broker has no queue '${to}': nobody would serve it. Check the name, or start a worker for it first.`
          return sendProblem(reply, 409, detail)
        }
        const operation = operations.start({
          action: 'move',
          createdBy: authorOf(request),
          total: from?.reduce((sum, depth) => sum + (depth?.messages ?? 0), 0) ?? 0,
          steps: () => moveMessages({ broker: connected, now }, { queue: name, lanes, to }),
        })
        if (operation === undefined) return refuseForWantOfRoom(reply)
        return reply.code(202).send(operationView(operation))
      },
    )
  }
}

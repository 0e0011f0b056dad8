import { type Broker, BlockmillError, type Database } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply } from 'fastify'

import type { Operations } from '../actions/operations.ts'
import { countTasks, SELECT_BATCH as BATCH, tasksByFilter } from '../actions/select-tasks.ts'
import {
  actionFilter,
  actOnTasks,
  type TaskAction,
  type TaskActionOptions,
  type TaskActionPorts,
} from '../actions/task-action.ts'
import { authorOf } from './authentication.ts'
import { refuseForWantOfRoom } from './operation-refusal.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import {
  DryRunSchema,
  OperationParamsSchema,
  OperationSchema,
  operationView,
  RetryQuerySchema,
  TaskActionSchema,
  TaskActionsSchema,
} from './task-action-schemas.ts'
import { TaskParamsSchema } from './task-schemas.ts'

export interface TaskActionRoutesOptions {
  readonly database: Database
  /** Without it, nothing can be cancelled or retried. */
  readonly broker?: (TaskActionPorts['broker'] & Pick<Broker, 'isReady'>) | undefined
  readonly operations: Operations
  readonly now: () => Date
}

const DEFAULT_LIMIT = 100_000

/**
 * | route | does |
 * | --- | --- |
 * | `POST /tasks/:id/cancel` | calls a task off |
 * | `POST /tasks/:id/retry` | runs a task that has ended again, as a new generation |
 * | `DELETE /tasks/:id` | deletes a task that has ended, with its attempts |
 * | `POST /tasks/actions` | does one of these with many tasks, in the background |
 * | `GET /operations/:id` | tells how far that is |
 * | `POST /operations/:id/cancel` | ends it after the batch that is under way |
 */
export function taskActionRoutes({
  database,
  broker,
  operations,
  now,
}: TaskActionRoutesOptions): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.setErrorHandler((error, _request, reply) => {
      const isBrokerAway = error instanceof BlockmillError && error.code === 'BROKER_PUBLISH_FAILED'
      // What is not about the broker is for the handler of all routes.
      if (!isBrokerAway) throw error
      return refuseForWantOfBroker(reply)
    })

    /** What an action works with; `undefined` when it needs the broker, and that takes no messages. */
    const portsFor = (action: TaskAction, by: string): TaskActionPorts | undefined => {
      const isReady = action === 'delete' || broker?.isReady() === true
      return isReady ? { database, broker, now, by } : undefined
    }

    /** Does something with one task. @returns the refusal, and nothing when it is done. */
    const actOnOne = async (
      reply: FastifyReply,
      action: TaskAction,
      id: string,
      options?: TaskActionOptions,
    ): Promise<FastifyReply | undefined> => {
      const ports = portsFor(action, authorOf(reply.request))
      if (ports === undefined) return refuseForWantOfBroker(reply)
      const [outcome] = await actOnTasks(ports, action, [id.toLowerCase()], options)
      if (outcome?.type === 'done') return undefined
      if (outcome?.type === 'conflict') return sendProblem(reply, 409, `Task ${id} ${outcome.why}.`)
      return sendProblem(reply, 404, `No task with the id ${id} is on record.`)
    }

    const refusals = { 400: ProblemSchema, 403: ProblemSchema, 404: ProblemSchema, 409: ProblemSchema }
    app.post(
      '/tasks/:id/cancel',
      {
        schema: {
          summary: 'Calls a task off: one that runs is aborted, one that waits ends when a worker gets it',
          params: TaskParamsSchema,
          response: { 202: TaskActionSchema, ...refusals, 503: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) =>
        (await actOnOne(reply, 'cancel', id)) ?? reply.code(202).send({ id, action: 'cancel' }),
    )
    app.post(
      '/tasks/:id/retry',
      {
        schema: {
          summary: 'Runs a task that has ended again from its first attempt on, as a new generation',
          params: TaskParamsSchema,
          querystring: RetryQuerySchema,
          response: { 202: TaskActionSchema, ...refusals, 503: ProblemSchema },
        },
      },
      async ({ params: { id }, query }, reply) =>
        (await actOnOne(reply, 'retry', id, query)) ?? reply.code(202).send({ id, action: 'retry' }),
    )
    app.delete(
      '/tasks/:id',
      {
        schema: {
          summary: 'Deletes a task that has ended, with its attempts; coverage stays',
          params: TaskParamsSchema,
          response: { 204: { type: 'null' }, ...refusals },
        },
      },
      async ({ params: { id } }, reply) => (await actOnOne(reply, 'delete', id)) ?? reply.code(204).send(null),
    )

    app.post(
      '/tasks/actions',
      {
        schema: {
          summary: 'Cancels, retries or deletes many tasks in the background',
          body: TaskActionsSchema,
          response: {
            200: DryRunSchema,
            202: OperationSchema,
            400: ProblemSchema,
            403: ProblemSchema,
            409: ProblemSchema,
            503: ProblemSchema,
          },
        },
      },
      async (request, reply) => {
        const { action, ids: given, filter, limit = DEFAULT_LIMIT, force, dryRun = false } = request.body
        if ((given === undefined) === (filter === undefined)) return refuseSelection(reply)
        const ids = given && [...new Set(given.map((id) => id.toLowerCase()))]
        const wanted = actionFilter(filter ?? {}, action, { force })
        const total = ids?.length ?? (await countTasks(database.query, wanted, limit))
        if (dryRun) return { total }
        const createdBy = authorOf(request)
        const ports = portsFor(action, createdBy)
        if (ports === undefined) return refuseForWantOfBroker(reply)
        const operation = operations.start({
          action,
          createdBy,
          total,
          async *steps() {
            const batches = ids === undefined ? tasksByFilter(database.query, wanted, total) : batchesOf(ids)
            for await (const some of batches) yield await actOnTasks(ports, action, some, { force })
          },
        })
        if (operation === undefined) return refuseForWantOfRoom(reply)
        return reply.code(202).send(operationView(operation))
      },
    )
    app.get(
      '/operations/:id',
      {
        schema: {
          summary: 'How far an operation of this monitor is',
          params: OperationParamsSchema,
          response: { 200: OperationSchema, 400: ProblemSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) => {
        const operation = operations.find(id)
        return operation === undefined ? refuseOperation(reply, id) : operationView(operation)
      },
    )
    app.post(
      '/operations/:id/cancel',
      {
        schema: {
          summary: 'Ends an operation after the batch that is under way; what is done stays done',
          params: OperationParamsSchema,
          response: { 202: OperationSchema, ...refusals },
        },
      },
      async ({ params: { id } }, reply) => {
        const operation = operations.find(id)
        if (operation === undefined) return refuseOperation(reply, id)
        if (operation.state !== 'running') {
          return sendProblem(reply, 409, `Operation ${id} is ${operation.state} already.`)
        }
        operations.cancel(id)
        return reply.code(202).send(operationView(operation))
      },
    )
  }
}

function* batchesOf(ids: readonly string[]): Iterable<readonly string[]> {
  for (let n = 0; n < ids.length; n += BATCH) yield ids.slice(n, n + BATCH)
}

function refuseSelection(reply: FastifyReply): FastifyReply {
  const message = 'must be given, or else filter, and not both'
  return sendProblem(reply, 400, `The request is invalid: ids ${message}.`, [{ field: 'ids', message }])
}

function refuseOperation(reply: FastifyReply, id: string): FastifyReply {
  const detail = `This monitor knows no operation with the id ${id}: they are forgotten when it is started anew, or after 100 others.`
  return sendProblem(reply, 404, detail)
}

function refuseForWantOfBroker(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, 503, 'The broker takes no messages at the moment. Try again later.')
}

import type { Broker, Database, Logger } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

import { createOperations } from '../actions/operations.ts'
import type { Statistics } from '../statistics/statistics.ts'
import { backfillRoutes } from './backfill-routes.ts'
import { coverageRoutes } from './coverage-routes.ts'
import { deadRoutes } from './dead-routes.ts'
import { enqueueRoutes } from './enqueue-routes.ts'
import { eventRoutes } from './event-routes.ts'
import { failureRoutes } from './failure-routes.ts'
import { jobRoutes } from './job-routes.ts'
import { listTasks } from './list-tasks.ts'
import { StatsSchema } from './monitor-schemas.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { queueMessageRoutes } from './queue-message-routes.ts'
import { queueRoutes } from './queue-routes.ts'
import { readTask } from './read-task.ts'
import { statsView } from './stats-view.ts'
import { taskActionRoutes } from './task-action-routes.ts'
import { TaskDetailSchema, TaskListQuerySchema, TaskListSchema, TaskParamsSchema } from './task-schemas.ts'
import { timeseriesRoutes } from './timeseries-routes.ts'
import { workerRoutes } from './worker-routes.ts'

/** What the API answers from. */
export interface ApiPorts {
  readonly database: Database
  readonly statistics: Pick<Statistics, 'latest'>
  /** What orders go through; without it, those that need the broker are refused. */
  readonly broker?: Broker
  readonly logger: Logger
  readonly now: () => Date
  /** Folder of the results of range jobs that are kept in files. */
  readonly resultsDir?: string | undefined
}

/**
 * The REST API, version 1:
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /tasks` | tasks by filter, a page at a time |
 * | `POST /tasks` | see `enqueueRoutes` |
 * | `GET /tasks/:id` | one task with its result and all attempts |
 * | `GET /stats` | totals by state and task, rates, the oldest waiting task |
 * | `GET /stats/timeseries` | see `timeseriesRoutes` |
 * | `GET /coverage`, `GET /gaps` | see `coverageRoutes` |
 * | `/workers` | see `workerRoutes` |
 * | `/queues` | see `queueRoutes` and `queueMessageRoutes` |
 * | `/backfills` | see `backfillRoutes` |
 * | `/jobs` | see `jobRoutes` |
 * | `/dead` | see `deadRoutes` |
 * | `GET /events` | see `eventRoutes` |
 * | `/tasks/:id/...`, `/tasks/actions`, `/operations` | see `taskActionRoutes` |
 * | `GET /failures` | see `failureRoutes` |
 */
export function apiRoutes({
  database,
  statistics,
  broker,
  logger,
  now,
  resultsDir,
}: ApiPorts): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/tasks',
      {
        schema: {
          summary: 'Tasks by filter, a page at a time',
          querystring: TaskListQuerySchema,
          response: { 200: TaskListSchema, 400: ProblemSchema },
        },
      },
      ({ query }) => listTasks(database, query),
    )
    app.get(
      '/tasks/:id',
      {
        schema: {
          summary: 'One task with its result and all attempts',
          params: TaskParamsSchema,
          response: { 200: TaskDetailSchema, 404: ProblemSchema },
        },
      },
      async ({ params: { id } }, reply) => {
        const task = await readTask(database, id, now())
        return task ?? sendProblem(reply, 404, `No task with the id ${id} is on record.`)
      },
    )
    app.get(
      '/stats',
      {
        schema: {
          summary: 'Totals by state and task, rates, the oldest waiting task',
          response: { 200: StatsSchema, 503: ProblemSchema },
        },
      },
      async (_request, reply) => {
        const snapshot = statistics.latest()
        if (snapshot === undefined)
          return sendProblem(reply, 503, 'The totals have not been read yet. Try again later.')
        return statsView(snapshot, now())
      },
    )
    await app.register(timeseriesRoutes({ database, now }))
    await app.register(coverageRoutes({ database }))
    await app.register(backfillRoutes({ database, now }))
    await app.register(jobRoutes({ database, logger, now, resultsDir }))
    await app.register(failureRoutes({ database }))
    await app.register(deadRoutes({ database, broker, now }))
    await app.register(eventRoutes({ database, statistics, now }))
    const operations = createOperations({ now })
    app.addHook('preClose', () => operations.stop())
    await app.register(enqueueRoutes({ database, broker, now }))
    await app.register(taskActionRoutes({ database, broker, operations, now }))
    await app.register(workerRoutes({ database, broker, logger, now }))
    await app.register(queueRoutes({ database, broker, now }))
    await app.register(queueMessageRoutes({ database, broker, operations, now }))
  }
}

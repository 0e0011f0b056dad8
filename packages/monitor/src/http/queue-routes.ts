import { type Broker, controlMessage, type Database, type Lane, LANES, publishControl, within } from '@blockmill/core'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

import { storeLanes } from '../control/control-store.ts'
import { authorOf } from './authentication.ts'
import { brokerFor } from './broker-for.ts'
import { ProblemSchema, sendProblem } from './problem.ts'
import { LaneQuerySchema, QueueListSchema, QueueParamsSchema, QueueSchema } from './queue-schemas.ts'
import { readNamedQueues, readQueues } from './read-queues.ts'

export interface QueueRoutesPorts {
  readonly database: Database
  /** Without it, all of these routes answer 503. */
  readonly broker?: Broker | undefined
  readonly now: () => Date
}

/** Longest wait for the broker to take an order. */
const PUBLISH_WITHIN_MS = 5_000

const ORDERS = [
  { order: 'pause', summary: 'Starts no more tasks of a queue, or of one lane of it; what runs goes on' },
  { order: 'resume', summary: 'Starts tasks of a queue, or of one lane of it, again' },
] as const

/**
 * | route | does |
 * | --- | --- |
 * | `GET /queues` | lists queues: what waits in each lane, who consumes, what is paused |
 * | `GET /queues/:name` | shows one, also one that nobody serves |
 * | `POST /queues/:name/pause`, `/resume` | gives workers that order, now and when they start; `?lane=` for one lane alone |
 */
export function queueRoutes({ database, broker, now }: QueueRoutesPorts): FastifyPluginAsyncTypebox {
  return async (app) => {
    const ready = brokerFor(app, broker)

    app.get(
      '/queues',
      {
        schema: {
          summary: 'Queues: what waits in each lane, who consumes, what is paused',
          response: { 200: QueueListSchema, 503: ProblemSchema },
        },
      },
      async () => ({ queues: await readQueues({ database, broker: ready() }, now()) }),
    )
    app.get(
      '/queues/:name',
      {
        schema: {
          summary: 'One queue, also one that nobody serves',
          params: QueueParamsSchema,
          response: { 200: QueueSchema, 400: ProblemSchema, 404: ProblemSchema, 503: ProblemSchema },
        },
      },
      async ({ params: { name } }, reply) => {
        const [view] = await readNamedQueues({ database, broker: ready() }, [name])
        const isKnown = view?.lanes.some(({ ready: waiting, changedAt }) => waiting !== null || changedAt !== null)
        return view !== undefined && isKnown === true ? view : sendProblem(reply, 404, unknownQueue(name))
      },
    )
    for (const { order, summary } of ORDERS) {
      app.post(
        `/queues/:name/${order}`,
        {
          schema: {
            summary,
            params: QueueParamsSchema,
            querystring: LaneQuerySchema,
            response: { 200: QueueSchema, 400: ProblemSchema, 403: ProblemSchema, 503: ProblemSchema },
          },
        },
        async (request) => {
          const { name } = request.params
          const { lane } = request.query
          const by = authorOf(request)
          const connected = ready()
          const message = controlMessage(
            { type: order, queue: name, ...(lane !== undefined && { lane }) },
            { by, nowMs: now().getTime() },
          )
          // First on record: workers that start in between are told of it.
          const state = { queue: name, paused: order === 'pause', changedAt: message.sentAt, changedBy: by }
          await storeLanes(
            database.query,
            lanesOf(lane).map((each) => ({ ...state, lane: each })),
          )
          await inTime(publishControl(connected, message))
          const [view] = await readNamedQueues({ database, broker: connected }, [name])
          return view ?? { queue: name, lanes: [] }
        },
      )
    }
  }
}

/** One lane, or all. */
export function lanesOf(lane: Lane | undefined): readonly Lane[] {
  return lane === undefined ? LANES : [lane]
}

/** Why there is no answer about a queue. */
export function unknownQueue(name: string): string {
  return `The broker has no queue '${name}', and no order was given about it. Check the name.`
}

async function inTime(publishing: Promise<void>): Promise<void> {
  if (await within(PUBLISH_WITHIN_MS, publishing)) return
  // It is on record, and monitors tell workers of it from time to time.
  publishing.catch(() => undefined)
}

import type { Readable } from 'node:stream'

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

import { createEventStream, type EventStreamOptions } from '../live/event-stream.ts'
import { createLiveFeed, type LiveFeedOptions } from '../live/live-feed.ts'
import { LIVE_TYPES } from '../live/live-hub.ts'
import { ProblemSchema, sendProblem } from './problem.ts'

export interface EventRoutesOptions
  extends LiveFeedOptions, Pick<EventStreamOptions, 'mostWaitingBytes' | 'heartbeatMs'> {}

const EventsQuerySchema = Type.Object(
  {
    type: Type.Optional(
      Type.Array(Type.Enum(LIVE_TYPES), { minItems: 1, description: 'one of these; may be repeated; default all' }),
    ),
  },
  { additionalProperties: false },
)

const RETRY_AFTER_SECONDS = 10

/** `GET /events`: what changes, as server-sent events. A client that comes back with `Last-Event-ID` gets what it has missed. */
export function eventRoutes({
  mostWaitingBytes,
  heartbeatMs,
  ...options
}: EventRoutesOptions): FastifyPluginAsyncTypebox {
  return async (app) => {
    const feed = createLiveFeed(options)
    app.addHook('preClose', () => feed.stop())

    app.get(
      '/events',
      {
        // Its answer would never end.
        exposeHeadRoute: false,
        schema: {
          summary: 'What changes, as server-sent events',
          querystring: EventsQuerySchema,
          response: {
            200: {
              description: 'Events',
              content: { 'text/event-stream': { schema: Type.Unsafe<Readable>(Type.String()) } },
            },
            400: ProblemSchema,
            503: ProblemSchema,
          },
        },
      },
      async (request, reply) => {
        const lastEventId = request.headers['last-event-id']
        const stream = createEventStream({
          hub: feed,
          types: new Set(request.query.type ?? LIVE_TYPES),
          lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
          mostWaitingBytes,
          heartbeatMs,
        })
        if (stream === undefined) {
          const detail = 'As many clients as there may be listen already. Try again later.'
          return sendProblem(reply.header('retry-after', RETRY_AFTER_SECONDS), 503, detail)
        }
        // Proxies would hold small pieces back.
        return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
      },
    )
  }
}

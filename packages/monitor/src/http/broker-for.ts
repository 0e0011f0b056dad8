import { type Broker, RetryableError } from '@blockmill/core'
import type { FastifyInstance } from 'fastify'

import { sendProblem } from './problem.ts'

/**
 * For routes that need the broker: gets it while it is ready, and lets them answer 503 otherwise, also when it goes away in the
 * middle.
 */
export function brokerFor(app: FastifyInstance, broker: Broker | undefined): () => Broker {
  app.setErrorHandler((error, _request, reply) => {
    // What is not about the broker is for the handler of all routes.
    if (!(error instanceof RetryableError)) throw error
    return sendProblem(reply, 503, error.message)
  })
  return () => {
    if (broker?.isReady() === true) return broker
    throw new RetryableError('BROKER_UNREACHABLE', 'The broker cannot be reached at the moment. Try again later.')
  }
}

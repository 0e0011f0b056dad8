import { BlockmillError, type ErrorCode } from '@blockmill/core'
import type { FastifyInstance } from 'fastify'

import { sendProblem } from './problem.ts'

/** Answers errors with these codes with a status of their own; all others are for the handler of all routes. */
export function answerRefusals(
  app: Pick<FastifyInstance, 'setErrorHandler'>,
  statusOf: Readonly<Partial<Record<ErrorCode, number>>>,
): void {
  app.setErrorHandler((error, _request, reply) => {
    const status = error instanceof BlockmillError ? statusOf[error.code] : undefined
    if (status === undefined) throw error
    return sendProblem(reply, status, (error as Error).message)
  })
}

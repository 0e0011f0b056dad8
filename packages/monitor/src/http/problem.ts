import { STATUS_CODES } from 'node:http'

import { databaseFailure, type Logger } from '@blockmill/core'
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import { type Static, Type } from 'typebox'

/** An error as RFC 9457 wants it: `application/problem+json`. */
export const ProblemSchema = Type.Object({
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  /** What is wrong with the request, field by field. */
  errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
})
export type Problem = Static<typeof ProblemSchema>

/** Answers with a problem. */
export function sendProblem(
  reply: FastifyReply,
  status: number,
  detail: string,
  errors?: Problem['errors'],
): FastifyReply {
  const problem: Problem = { title: STATUS_CODES[status] ?? 'Error', status, detail, ...(errors && { errors }) }
  return reply.code(status).type('application/problem+json').serializer(JSON.stringify).send(problem)
}

interface ProblemPorts {
  readonly logger: Logger
  /** The methods that a path has. */
  readonly methodsOf: (path: string) => readonly string[]
}

/** Makes a problem of everything that goes wrong. What is not the client's fault is logged, and not told. */
export function addProblemHandlers(app: FastifyInstance, { logger, methodsOf }: ProblemPorts): void {
  app.setNotFoundHandler(({ method, url }, reply) => {
    const methods = methodsOf(url.split('?')[0] ?? '').join(', ')
    if (methods === '')
      return sendProblem(reply, 404, 'There is no route at this address. /openapi.json lists those that there are.')
    return sendProblem(reply.header('allow', methods), 405, `${method} is not possible here; ${methods} is.`)
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    if (error.validation !== undefined) {
      const errors = fieldErrors(error.validation)
      const detail = errors.map(({ field, message }) => `${field} ${message}`).join('; ')
      return sendProblem(reply, 400, `The request is invalid: ${detail}.`, errors)
    }
    if (error.code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
      return sendProblem(reply, 400, 'The body is not valid JSON, or names __proto__ or constructor.prototype.')
    }
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return sendProblem(reply, error.statusCode, error.message)
    }
    logger.error({ err: error, route: request.routeOptions.url }, 'a request failed')
    if (isDatabaseError(error) && databaseFailure(error) === 'unavailable') {
      return sendProblem(reply, 503, 'The database does not answer at the moment. Try again later.')
    }
    return sendProblem(reply, 500, 'Something went wrong here. The log of the monitor says what.')
  })
}

function fieldErrors(validation: NonNullable<FastifyError['validation']>): NonNullable<Problem['errors']> {
  return validation
    .filter(({ keyword }) => keyword !== 'additionalProperties')
    .flatMap(({ instancePath, keyword, message = 'is invalid', params }) => {
      const path = instancePath.slice(1).replaceAll('/', '.')
      const missing = params['requiredProperties']
      if (keyword === 'required' && Array.isArray(missing)) {
        return missing.map((name) => ({ field: path === '' ? name : `${path}.${name}`, message: 'is missing' }))
      }
      return [{ field: path || 'request', message: describe(keyword, message, params) }]
    })
}

function describe(keyword: string, message: string, params: Record<string, unknown>): string {
  // What is not among the properties is checked against a schema that nothing fits.
  if (keyword === 'boolean') return 'is not known'
  const allowed = params['allowedValues']
  return keyword === 'enum' && Array.isArray(allowed) ? `must be one of ${allowed.join(', ')}` : message
}

/** Errors of the server have an SQLSTATE; those of the connection come from `pg` or from Node's sockets. */
function isDatabaseError(error: Error): boolean {
  return 'severity' in error || 'syscall' in error || /connect|database|query read timeout/i.test(error.message)
}

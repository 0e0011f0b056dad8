import type { Logger } from '@blockmill/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'

import type { Identity } from '../security/access.ts'
import type { AuditedRequest, AuditLog } from '../security/audit-log.ts'
import { isWrite } from './authentication.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a write that is under way. */
    auditId: number | undefined
  }
}

/**
 * Puts every write on record before it is done, and then its answer: one that cannot be put on record is not done. Writes that are
 * refused are on record with that answer alone. Those of nobody who is known are not: strangers could fill the table.
 */
export function addAuditing(app: FastifyInstance, { audit, logger }: { audit: AuditLog; logger: Logger }): void {
  app.decorateRequest('auditId', undefined)
  app.addHook('preHandler', async (request) => {
    const entry = auditedRequest(request)
    if (entry !== undefined) request.auditId = await audit.write({ ...entry, params: paramsOf(request) })
  })
  app.addHook('onSend', async (request, { statusCode }) => {
    const entry = auditedRequest(request)
    if (entry === undefined) return
    try {
      if (request.auditId === undefined) await audit.write({ ...entry, params: paramsOf(request) }, statusCode)
      else await audit.finish(request.auditId, statusCode)
    } catch (error) {
      // What was done is done; the answer must not say otherwise.
      logger.error({ err: error, route: entry.route, statusCode }, 'the outcome of a write could not be audited')
    }
  })
}

type Known = Omit<AuditedRequest, 'params'>

/** `undefined` for reads, for nobody, and where there is no such route. */
function auditedRequest(request: FastifyRequest): Known | undefined {
  const { identity, ip, method, routeOptions } = request
  if (identity === undefined || routeOptions.url === undefined || !isWrite(request)) return undefined
  const { role, actor }: Identity = identity
  return { role, actor, address: ip, method, route: routeOptions.url }
}

function paramsOf({ params, query, body }: FastifyRequest): object {
  return { params, query, body }
}

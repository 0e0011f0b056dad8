import type { Logger } from '@blockmill/core'
import type { FastifyInstance, FastifyRequest } from 'fastify'

import type { Access, Identity, Role } from '../security/access.ts'
import type { FailedLogins } from '../security/failed-logins.ts'
import type { LoginMetrics } from '../security/login-metrics.ts'
import { sendProblem } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; `undefined` where nobody needs to say so. */
    identity: Identity | undefined
  }
  interface FastifyContextConfig {
    /** Who may use a route, where its method does not say so. */
    role?: Role
  }
}

export interface AuthenticationPorts {
  readonly access: Access
  readonly failedLogins: FailedLogins
  readonly logger: Logger
  readonly metrics?: LoginMetrics | undefined
}

/** For those who watch over processes and have no secret. They tell no more than whether it works, and why not. */
const OPEN_ROUTES: ReadonlySet<string | undefined> = new Set(['/health/live', '/health/ready'])

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

// A browser asks for user and password when it sees the first.
const CHALLENGES = ['Basic realm="Blockmill", charset="UTF-8"', 'Bearer realm="Blockmill"']

/**
 * Lets nobody in without a token, where there is one, and nobody write without an operator's. Also what is not there is told
 * to those alone who may come in.
 *
 * | request | answer |
 * | --- | --- |
 * | without credentials | 401 |
 * | with wrong ones | 401, and 429 with `Retry-After` after many of them |
 * | a viewer's that writes, or is for operators alone | 403 |
 */
export function addAuthentication(app: FastifyInstance, ports: AuthenticationPorts): void {
  const { access, failedLogins, logger, metrics } = ports
  app.decorateRequest('identity', undefined)
  app.addHook('onRequest', async (request, reply) => {
    const { authorization } = request.headers
    if (OPEN_ROUTES.has(request.routeOptions.url)) return
    if (access.needsToken && authorization === undefined) {
      return sendProblem(reply.header('www-authenticate', CHALLENGES), 401, 'This needs a token: see docs/security.md.')
    }
    const wait = access.needsToken ? failedLogins.retryAfterSeconds(request.ip) : undefined
    if (wait !== undefined) {
      metrics?.refused('too_many')
      const detail = `Too many wrong tokens came from this address. Try again in ${wait} seconds.`
      return sendProblem(reply.header('retry-after', wait), 429, detail)
    }
    request.identity = access.identify(authorization)
    if (request.identity === undefined) {
      metrics?.refused('wrong')
      const isNew = failedLogins.count(request.ip, authorization ?? '')
      if (isNew) logger.warn({ address: request.ip }, 'somebody sent wrong credentials')
      return sendProblem(reply.header('www-authenticate', CHALLENGES), 401, 'The token is not one that is known here.')
    }
    if (neededRole(request) === 'operator' && request.identity.role !== 'operator') {
      return sendProblem(
        reply,
        403,
        "This is for operators. The token is a viewer's, which may read and change nothing.",
      )
    }
  })
}

/** True for requests that change something. */
export function isWrite({ method }: Pick<FastifyRequest, 'method'>): boolean {
  return !READING.has(method)
}

/** Who asks, as it is kept with what was asked for: `api 10.0.0.7`, `api 1a2b3c4d 10.0.0.7`. */
export function authorOf({ identity, ip }: FastifyRequest): string {
  return identity === undefined || identity.actor === 'local' ? `api ${ip}` : `api ${identity.actor} ${ip}`
}

function neededRole(request: FastifyRequest): Role {
  return request.routeOptions.config.role ?? (isWrite(request) ? 'operator' : 'viewer')
}

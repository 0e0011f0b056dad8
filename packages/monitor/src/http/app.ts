import { addProbeRoutes, type Logger, type ProbePorts } from '@blockmill/core'
import swagger from '@fastify/swagger'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { fastify, type FastifyInstance } from 'fastify'

import { type Access, createAccess } from '../security/access.ts'
import { createAuditLog } from '../security/audit-log.ts'
import { createFailedLogins } from '../security/failed-logins.ts'
import type { LoginMetrics } from '../security/login-metrics.ts'
import { allowedMethods } from './allowed-methods.ts'
import { type ApiPorts, apiRoutes } from './api-routes.ts'
import { addAuditing } from './audit-hooks.ts'
import { auditRoutes } from './audit-routes.ts'
import { addAuthentication } from './authentication.ts'
import { answerBrokenRequest } from './broken-request.ts'
import { pageRoutes } from './page-routes.ts'
import { type ApiDescription, docsPage } from './docs-page.ts'
import { addProblemHandlers, sendProblem } from './problem.ts'
import { addRequestLimits } from './request-limits.ts'
import { refuseForeignOrigin } from './same-origin.ts'
import { addSecurityHeaders, SECURITY_HEADERS } from './security-headers.ts'
import { shareInFlight } from './share-in-flight.ts'

export interface AppOptions extends ApiPorts, ProbePorts {
  readonly logger: Logger
  /** Who may come in. Default everybody who uses a name of this machine. */
  readonly access?: Access
  /** Where refused logins are counted. Default nowhere. */
  readonly loginMetrics?: LoginMetrics
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. Default none. */
  readonly trustedProxies?: readonly string[]
  /** How long a request may take to arrive. Default 10 s. */
  readonly requestTimeoutMs?: number
}

/** For the arguments of a task, 64 KiB at most, with what is around them. */
const BODY_LIMIT = 128 * 1024
const HEADER_LIMIT = 16 * 1024
const REQUEST_TIMEOUT_MS = 10_000
/** Without a byte in either direction. Live views are sent something far more often. */
const SILENT_CONNECTION_MS = 120_000
/** Each takes memory and a descriptor, which the broker and the database need, too. */
const MAX_CONNECTIONS = 1_000

/** Everything that the monitor serves, without listening: status page, REST API, OpenAPI, health checks and metrics. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { database, logger, now, access = createAccess(), trustedProxies, requestTimeoutMs } = options
  const requestTimeout = requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  const audit = createAuditLog(database)
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout,
    connectionTimeout: SILENT_CONNECTION_MS,
    forceCloseConnections: true,
    trustProxy: trustedProxies === undefined ? false : [...trustedProxies],
    http: {
      maxHeaderSize: HEADER_LIMIT,
      headersTimeout: requestTimeout,
      // How often Node looks for requests that take too long; by default only every 30 s.
      connectionsCheckingInterval: Math.min(1_000, requestTimeout),
      // Answered below, with a problem.
      requireHostHeader: false,
    },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply.headers(SECURITY_HEADERS), error.statusCode ?? 400, error.message)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.server.maxConnections = MAX_CONNECTIONS
  // Fastify's own compiler drops unknown filters in silence, and takes `1e400` for a number.
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  const methodsOf = allowedMethods(app)
  addSecurityHeaders(app, { isLocalOnly: !access.needsToken })
  addRequestLimits(app)
  addAuthentication(app, { access, failedLogins: createFailedLogins(now), logger, metrics: options.loginMetrics })
  addAuditing(app, { audit, logger })
  app.addHook('onRequest', refuseForeignOrigin)
  addProblemHandlers(app, { logger, methodsOf })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Blockmill monitor', version: '1', description: 'What is on record.' },
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, basic: { type: 'http', scheme: 'basic' } },
      },
      security: access.needsToken ? [{ bearer: [] }, { basic: [] }] : [],
    },
  })
  await app.register(apiRoutes(options), { prefix: '/api/v1' })
  await app.register(auditRoutes({ audit }), { prefix: '/api/v1' })
  await app.register(pageRoutes)
  // Open to everybody, and a look at broker and database each: nobody shall keep the monitor busy with it.
  addProbeRoutes(app, { metrics: options.metrics, notReadyBecause: shareInFlight(options.notReadyBecause) })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  app.get('/docs', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(docsPage(app.swagger() as ApiDescription)),
  )
  await app.ready()
  return app
}

import { addProbeRoutes, type Logger, type ProbePorts } from '@blockmill/core'
import swagger from '@fastify/swagger'
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import { fastify, type FastifyInstance } from 'fastify'

import { type ApiPorts, apiRoutes } from './api-routes.ts'
import { pageRoutes } from './page-routes.ts'
import { addProblemHandlers } from './problem.ts'
import { addSecurityHeaders } from './security-headers.ts'

export interface AppOptions extends ApiPorts, ProbePorts {
  readonly logger: Logger
}

/** No request has a body worth reading yet. */
const BODY_LIMIT = 64 * 1024
const REQUEST_TIMEOUT_MS = 10_000

/** Everything that the monitor serves, without listening: status page, REST API, OpenAPI, health checks and metrics. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  }).withTypeProvider<TypeBoxTypeProvider>()
  // Fastify's own compiler drops unknown filters in silence, and takes `1e400` for a number.
  app.setValidatorCompiler(TypeBoxValidatorCompiler)
  addSecurityHeaders(app)
  addProblemHandlers(app, options.logger)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Blockmill monitor', version: '1', description: 'What is on record.' },
    },
  })
  await app.register(apiRoutes(options), { prefix: '/api/v1' })
  await app.register(pageRoutes)
  addProbeRoutes(app, options)
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  await app.ready()
  return app
}

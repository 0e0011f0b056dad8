import type { FastifyInstance } from 'fastify'

import type { Metrics } from '../observability/metrics.ts'

/** What the probes of a service answer from. */
export interface ProbePorts {
  readonly metrics: Metrics
  /** Sentences that say what keeps the service from being ready, such as `the broker is not connected`. None: it is ready. */
  readonly notReadyBecause: () => readonly string[] | Promise<readonly string[]>
}

/**
 * Adds the routes that every service has:
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /health/live` | 200 as long as the process answers at all |
 * | `GET /health/ready` | 200, or 503 with the reasons |
 * | `GET /metrics` | Prometheus text |
 */
export function addProbeRoutes(app: FastifyInstance, { metrics, notReadyBecause }: ProbePorts): void {
  app.get('/health/live', () => ({ status: 'live' }))
  app.get('/health/ready', async (_request, reply) => {
    const reasons = await notReadyBecause()
    if (reasons.length === 0) return { status: 'ready' }
    return reply.code(503).send({ status: 'not ready', reasons })
  })
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
}

import type { FastifyInstance } from 'fastify'

import type { Logger } from '../observability/logger.ts'
import { listen } from './listen.ts'
import { addProbeRoutes, type ProbePorts } from './probe-routes.ts'

export interface ProbeServerOptions extends ProbePorts {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly logger: Logger
}

/** Serves health checks and metrics for a service that has no API of its own. */
export interface ProbeServer {
  /**
   * Listens, and resolves with the address: `http://127.0.0.1:8081`.
   *
   * @throws ConfigurationError `CONFIG_INVALID` when the address cannot be listened on.
   */
  start(): Promise<string>
  /** Ends all connections. Idempotent. */
  stop(): Promise<void>
}

export function createProbeServer({ host, port, logger, ...ports }: ProbeServerOptions): ProbeServer {
  let app: FastifyInstance | undefined
  let isStopped = false
  return {
    async start() {
      // Loaded when it is needed: whoever only defines tasks serves nothing.
      const { fastify } = await import('fastify')
      if (isStopped) throw new Error('The probe server was stopped before it listened.')
      // Probes come every few seconds: a log line for each would bury the rest.
      app = fastify({ forceCloseConnections: true })
      addProbeRoutes(app, ports)
      const url = await listen(app, { host, port })
      logger.info({ url }, 'serving health checks and metrics')
      return url
    },
    async stop() {
      isStopped = true
      await app?.close()
    },
  }
}

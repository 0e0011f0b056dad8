import {
  createBroker,
  createChain,
  createMetrics,
  createProbeServer,
  createTopology,
  discoverTasks,
  type LoadConfigOptions,
  openDatabase,
  runService,
  schedulerSettings,
  within,
} from '@blockmill/core'

import { createScheduler } from './scheduler.ts'

/** The grace of the steps under way, and a little for the lease. */
const STOP_WITHIN_MS = 8_000

/**
 * Runs the scheduler until the process is asked to end.
 *
 * @returns the exit status: 0 after a stop that was asked for, 1 after an error that a person must act on.
 */
export function runScheduler(sources: LoadConfigOptions = {}): Promise<number> {
  return runService({ ...sources, name: 'scheduler', settings: schedulerSettings, create: createService })
}

const createService: Parameters<typeof runService<typeof schedulerSettings>>[0]['create'] = async ({
  config,
  logger,
}) => {
  const { namespace, monitorQueue } = config
  const metrics = createMetrics('scheduler')
  const registry = await discoverTasks(config.taskPackages)
  const topology = createTopology({ namespace, ...(monitorQueue !== undefined && { monitorQueue }) })
  const connectionName = 'blockmill-scheduler'
  const broker = createBroker({ url: config.brokerUrl, topology, logger, metrics, connectionName })
  const database = openDatabase({ url: config.databaseUrl, logger, applicationName: connectionName })
  const { source: chain, access } = await createChain({
    id: config.chain,
    kind: config.chainKind,
    endpoints: config.chainEndpoints,
    archiveEndpoints: config.archiveEndpoints,
    finalityDepth: config.finalityDepth,
    logger,
    metrics,
  })
  const scheduler = createScheduler({ config, logger, metrics, broker, database, chain, access, registry })
  const { host, port } = config
  const notReadyBecause = () => scheduler.notReadyBecause()
  const probes = createProbeServer({ host, port, logger, metrics, notReadyBecause })

  return {
    async start() {
      const url = await probes.start()
      await scheduler.start()
      return url
    },
    async stop() {
      if (!(await within(STOP_WITHIN_MS, scheduler.stop()))) {
        logger.warn({ stopWithinMs: STOP_WITHIN_MS }, 'the database does not answer; stopping without it')
      }
      await Promise.all([broker.stop(), chain.close(), database.close()])
      await probes.stop()
    },
  }
}

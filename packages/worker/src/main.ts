import {
  connectChain,
  createBroker,
  createChainAccess,
  createMetrics,
  createProbeServer,
  createTopology,
  discoverTasks,
  type LoadConfigOptions,
  runService,
  workerSettings,
} from '@blockmill/core'
import { logTasks } from './log-tasks.ts'
import { createWorker } from './worker.ts'
import { configFromSettings } from './worker-config.ts'

/**
 * Runs a worker until the process is asked to end.
 *
 * @returns the exit status: 0 after a stop that was asked for, 1 after an error that a person must act on.
 */
export function runWorker(sources: LoadConfigOptions = {}): Promise<number> {
  return runService({ ...sources, name: 'worker', settings: workerSettings, create: createService })
}

const createService: Parameters<typeof runService<typeof workerSettings>>[0]['create'] = async ({
  config: settings,
  logger,
  stopping,
  requestStop,
}) => {
  const { host, port, namespace, monitorQueue } = settings
  const config = configFromSettings(settings)
  const metrics = createMetrics('worker')
  const registry = await discoverTasks(settings.taskPackages)
  logTasks(registry, settings.chainKind, logger)
  const topology = createTopology({ namespace, ...(monitorQueue !== undefined && { monitorQueue }) })
  const broker = createBroker({
    url: settings.brokerUrl,
    topology,
    logger,
    metrics,
    connectionName: config.name,
    // The worker has waited for its confirms by then.
    stopTimeoutMs: 2_000,
  })
  const { chain: id, chainKind: kind, chainEndpoints: endpoints, archiveEndpoints } = settings
  const connection = connectChain({ kind, endpoints, archiveEndpoints, logger, metrics })
  const chain = await createChainAccess({ id, kind, connection })
  const worker = createWorker({
    config,
    logger,
    metrics,
    broker,
    registry,
    chain,
    onShutdown: (by) => requestStop(`an order of ${by}`),
    isolation: {
      taskPackages: settings.taskPackages,
      chain: { id, kind, endpoints, archiveEndpoints },
    },
  })
  const chainProblems = () => (connection.isHealthy() ? [] : ['no chain node is connected'])
  const notReadyBecause = () => [...worker.notReadyBecause(), ...chainProblems()]
  const probes = createProbeServer({ host, port, logger, metrics, notReadyBecause })

  return {
    async start() {
      const url = await probes.start()
      // A task that is taken before its chain can be reached would only use up its attempts.
      await Promise.all([broker.start(stopping), connection.start(stopping)])
      await worker.start()
      return url
    },
    async stop() {
      await worker.stop()
      await Promise.all([broker.stop(), connection.close()])
      await probes.stop()
    },
  }
}

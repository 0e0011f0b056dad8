import {
  createBroker,
  createMetrics,
  createTopology,
  type LoadConfigOptions,
  monitorSettings,
  openDatabase,
  runService,
} from '@blockmill/core'

import { createMonitor } from './monitor.ts'
import { loadTokens } from './security/token-file.ts'

/**
 * Runs the monitor until the process is asked to end.
 *
 * @returns the exit status: 0 after a stop that was asked for, 1 after an error that a person must act on.
 */
export function runMonitor(sources: LoadConfigOptions = {}): Promise<number> {
  return runService({ ...sources, name: 'monitor', settings: monitorSettings, create: createService })
}

const createService: Parameters<typeof runService<typeof monitorSettings>>[0]['create'] = async ({
  config: settings,
  logger,
  stopping,
}) => {
  const config = { ...settings, ...(await loadTokens(settings, logger)) }
  const { namespace, monitorQueue } = config
  const metrics = createMetrics('monitor')
  const topology = createTopology({ namespace, ...(monitorQueue !== undefined && { monitorQueue }) })
  const connectionName = 'blockmill-monitor'
  const broker = createBroker({ url: config.brokerUrl, topology, logger, metrics, connectionName })
  const database = openDatabase({ url: config.databaseUrl, logger, applicationName: connectionName })
  const monitor = createMonitor({ config, logger, metrics, broker, database })

  return {
    start: () => monitor.start(stopping),
    async stop() {
      await monitor.stop()
      await Promise.all([broker.stop(), database.close()])
    },
  }
}

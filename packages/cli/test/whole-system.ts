import {
  createBroker,
  createMetrics,
  createSilentLogger,
  createTopology,
  migrate,
  openDatabase,
  type TaskRegistry,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createScheduler } from '@blockmill/scheduler'
import type { ScriptedChain } from '@blockmill/testkit'
import { createWorker } from '@blockmill/worker'

const logger = createSilentLogger()

export interface WholeSystemOptions {
  readonly brokerUrl: string
  readonly namespace: string
  readonly databaseUrl: string
  readonly chain: ScriptedChain
  readonly registry: TaskRegistry
  readonly concurrency: number
  readonly resultsDir?: string
}

export interface WholeSystem {
  /** Where the monitor serves. */
  readonly api: string
  stop(): Promise<void>
}

/** A scheduler, a worker and a monitor in this process, each with connections of its own, for the chain `dev`. */
export async function startWholeSystem(options: WholeSystemOptions): Promise<WholeSystem> {
  const { brokerUrl, namespace, databaseUrl, chain, registry, concurrency, resultsDir } = options
  const topology = createTopology({ namespace })
  const open = (connectionName: string) => createBroker({ url: brokerUrl, topology, logger, connectionName })
  const scheduling = { broker: open('scheduler'), database: openDatabase({ url: databaseUrl, logger }) }
  const monitoring = { broker: open('monitor'), database: openDatabase({ url: databaseUrl, logger }) }
  const working = open('worker')
  await migrate(monitoring.database, { logger })
  const scheduler = createScheduler({
    config: { chain: 'dev', pollIntervalMs: 50 },
    logger,
    metrics: createMetrics('scheduler'),
    chain,
    registry,
    ...scheduling,
  })
  const worker = createWorker({
    config: { concurrency, prefetch: concurrency },
    logger,
    metrics: createMetrics('worker'),
    broker: working,
    registry,
  })
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0, ...(resultsDir !== undefined && { resultsDir }) },
    logger,
    metrics: createMetrics('monitor'),
    ...monitoring,
  })
  const api = await monitor.start()
  await scheduler.start()
  await working.start()
  await worker.start()
  return {
    api,
    async stop() {
      await scheduler.stop()
      await worker.stop()
      await monitor.stop()
      await Promise.all([scheduling.broker.stop(), working.stop(), monitoring.broker.stop()])
      await Promise.all([scheduling.database.close(), monitoring.database.close(), chain.close()])
    },
  }
}

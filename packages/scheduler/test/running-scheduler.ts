import { Writable } from 'node:stream'

import {
  type AnyRangeTaskDefinition,
  type AnyTaskDefinition,
  type Broker,
  type ChainSource,
  createBroker,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  type Logger,
} from '@blockmill/core'
import { onTestFinished, vi } from 'vitest'

import { createScheduler, type SchedulerConfig } from '../src/scheduler.ts'
import { open } from './migrated-database.ts'

export interface RunningSchedulerOptions {
  readonly tasks: readonly (AnyTaskDefinition | AnyRangeTaskDefinition)[]
  readonly chain: ChainSource
  readonly chainName: string
  readonly config?: Partial<SchedulerConfig>
  readonly brokerUrl: string
  readonly namespace: string
  readonly databaseUrl: string
  readonly now?: () => number
}

/** A broker client that comes back quickly. */
export function brokerClient(url: string, namespace: string, logger: Logger, connectionName: string): Broker {
  const reconnect = { minMs: 20, maxMs: 200 }
  return createBroker({ url, topology: createTopology({ namespace }), logger, connectionName, reconnect })
}

/** A scheduler of its own broker and database connections that is quick to look and to take over. Stops with its test. */
export function createRunningScheduler(options: RunningSchedulerOptions) {
  const { tasks, chain, chainName, config, brokerUrl, namespace, databaseUrl, now } = options
  const lines: { readonly msg: string; readonly level: number }[] = []
  const destination = new Writable({
    write(line: Buffer, _, done) {
      lines.push(JSON.parse(line.toString()))
      done()
    },
  })
  const logger = createLogger({ service: 'scheduler', level: 'debug', destination })
  const broker = brokerClient(brokerUrl, namespace, logger, 'scheduler')
  const database = open(databaseUrl)
  const query = vi.spyOn(database, 'query')
  const metrics = createMetrics('scheduler')
  const scheduler = createScheduler({
    config: { chain: chainName, pollIntervalMs: 50, leaseTtlMs: 1_000, ...config },
    logger,
    metrics,
    broker,
    database,
    chain,
    registry: createTaskRegistry(tasks.map((definition) => ({ definition, file: 'test.ts' }))),
    ...(now !== undefined && { now }),
  })
  const stop = async () => {
    await scheduler.stop()
    await Promise.all([broker.stop(), database.close()])
  }
  onTestFinished(stop)
  /** What it has asked of the database outside of transactions. */
  const statements = () => query.mock.calls.map(([statement]) => statement)
  return { scheduler, metrics, lines, statements, stop }
}

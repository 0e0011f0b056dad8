// A worker or a monitor in a process of its own, as they run in production; without a chain, which the tasks do not need.
import {
  createBroker,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  type LogLevel,
  openDatabase,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createWorker } from '@blockmill/worker'

import { asChild } from './child.ts'
import { emitRows } from './emit-rows-task.ts'
import { failOnce } from './fail-once-task.ts'
import { noop } from './noop-task.ts'

/** How a service process is set up. */
export interface ServiceSettings {
  readonly role: 'worker' | 'monitor'
  readonly brokerUrl: string
  /** Of the monitor. */
  readonly databaseUrl?: string
  readonly namespace: string
  readonly concurrency: number
  readonly prefetch: number
  /** Default `warn`. */
  readonly logLevel?: LogLevel
}

const { settings, stopped } = asChild()
const {
  role,
  brokerUrl,
  databaseUrl,
  namespace,
  concurrency,
  prefetch,
  logLevel = 'warn',
} = settings as ServiceSettings
const logger = createLogger({ service: role, level: logLevel })
const metrics = createMetrics(role)
const topology = createTopology({ namespace })
const broker = createBroker({ url: brokerUrl, topology, logger, metrics, connectionName: role })
const stop = await (role === 'worker' ? startWorker() : startMonitor())
process.send?.('ready')
await stopped
await stop()

async function startWorker(): Promise<() => Promise<void>> {
  const registry = createTaskRegistry([
    { definition: noop, file: 'noop-task.ts' },
    { definition: failOnce, file: 'fail-once-task.ts' },
    { definition: emitRows, file: 'emit-rows-task.ts' },
  ])
  const worker = createWorker({ config: { concurrency, prefetch }, logger, metrics, broker, registry })
  await broker.start()
  await worker.start()
  return async () => {
    await worker.stop()
    await broker.stop()
  }
}

async function startMonitor(): Promise<() => Promise<void>> {
  const database = openDatabase({ url: databaseUrl ?? '', logger })
  const monitor = createMonitor({ config: { host: '127.0.0.1', port: 0 }, logger, metrics, broker, database })
  await monitor.start()
  return async () => {
    await monitor.stop()
    await Promise.all([broker.stop(), database.close()])
  }
}

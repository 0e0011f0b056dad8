// A worker or a monitor in a process of its own, as they run in production; without a chain, which the no-op task does not need.
import {
  createBroker,
  createLogger,
  createMetrics,
  createTaskRegistry,
  createTopology,
  openDatabase,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createWorker } from '@blockmill/worker'

import { asChild } from './child.ts'
import { noop } from './noop-task.ts'

/** How a service process is set up. */
export interface ServiceSettings {
  readonly role: 'worker' | 'monitor'
  readonly brokerUrl: string
  readonly databaseUrl: string
  readonly namespace: string
  readonly concurrency: number
  readonly prefetch: number
}

const { settings, stopped } = asChild()
const { role, brokerUrl, databaseUrl, namespace, concurrency, prefetch } = settings as ServiceSettings
const logger = createLogger({ service: role, level: 'warn' })
const metrics = createMetrics(role)
const topology = createTopology({ namespace })
const broker = createBroker({ url: brokerUrl, topology, logger, metrics, connectionName: role })
const stop = await (role === 'worker' ? startWorker() : startMonitor())
process.send?.('ready')
await stopped
await stop()

async function startWorker(): Promise<() => Promise<void>> {
  const registry = createTaskRegistry([{ definition: noop, file: 'noop-task.ts' }])
  const worker = createWorker({ config: { concurrency, prefetch }, logger, metrics, broker, registry })
  await broker.start()
  await worker.start()
  return async () => {
    await worker.stop()
    await broker.stop()
  }
}

async function startMonitor(): Promise<() => Promise<void>> {
  const database = openDatabase({ url: databaseUrl, logger })
  const monitor = createMonitor({ config: { host: '127.0.0.1', port: 0 }, logger, metrics, broker, database })
  await monitor.start()
  return async () => {
    await monitor.stop()
    await Promise.all([broker.stop(), database.close()])
  }
}

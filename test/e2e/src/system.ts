import { fileURLToPath } from 'node:url'

import { type DevChain, startDevChain } from '@blockmill/testkit'
import type { TestBroker, TestDatabase } from '@blockmill/testkit/vitest'
import { onTestFinished } from 'vitest'

import { type ServiceProcess, startService } from './service-process.ts'

/** The system under test: what the demo runs, with a chain that makes blocks when the test says so. */
export interface System {
  readonly chain: DevChain
  readonly monitor: ServiceProcess
  /** Starts a scheduler, which begins at block 1 or goes on where the last one was. */
  startScheduler(): Promise<ServiceProcess>
  /** Starts a worker that serves all queues of the tasks. */
  startWorker(name: string): Promise<ServiceProcess>
  /** Reads the monitor's REST API. */
  get<Answer>(path: string): Promise<Answer>
}

const TASKS = ['../../../apps/example', '../tasks'].map((path) => fileURLToPath(new URL(path, import.meta.url)))

/** Starts a chain and the monitor. Everything ends with the test. */
export async function startSystem(
  broker: Pick<TestBroker, 'url' | 'namespace'>,
  database: TestDatabase,
): Promise<System> {
  const chain = await startDevChain({ blockTime: 'on-demand' })
  onTestFinished(() => chain.stop())
  const environment = {
    RABBITMQ_URL: broker.url,
    DATABASE_URL: database.url,
    BLOCKMILL_NAMESPACE: broker.namespace,
    CHAIN_URL: chain.url,
    BLOCKMILL_CHAIN: 'dev',
    BLOCKMILL_TASKS: TASKS.join(','),
    LOG_LEVEL: 'warn',
  }
  const start = async (...args: string[]): Promise<ServiceProcess> => {
    const service = await startService(args, environment)
    onTestFinished(async () => void (await service.stop()))
    return service
  }
  const monitor = await start('monitor')
  return {
    chain,
    monitor,
    startScheduler: () => start('scheduler', '--start', '1'),
    startWorker: (name) => start('worker', '--name', name, '--queues', 'default,high-priority', '--concurrency', '4'),
    async get<Answer>(path: string) {
      const response = await fetch(new URL(path, monitor.url))
      if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`)
      return (await response.json()) as Answer
    },
  }
}

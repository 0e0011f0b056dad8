import {
  type Broker,
  createBroker,
  createSilentLogger,
  createTaskPublish,
  createTopology,
  type Database,
  openDatabase,
  type TaskMessage,
} from '@blockmill/core'
import { startJsonRpcServer } from '@blockmill/testkit'
import type { TestBroker, TestDatabase } from '@blockmill/testkit/vitest'

import { type ServiceProcess, startService } from './service-process.ts'

/** The system without a scheduler: a test publishes the messages that it wants to see worked on and recorded. */
export interface WorkSystem {
  readonly broker: Broker
  readonly database: Database
  readonly monitor: ServiceProcess
  readonly publish: (message: TaskMessage) => Promise<void>
  startWorker(options: WorkerOptions): Promise<ServiceProcess>
  /** Ends all but the workers. */
  stop(): Promise<void>
}

export interface WorkerOptions {
  readonly name: string
  readonly queue: string
  /** Folder of its tasks, from the tests on. */
  readonly tasks: string
  readonly concurrency: number
}

export const WORK_CHAIN = 'dev'

/** Starts the monitor. Delays are from 50 ms up. */
export async function startWorkSystem(
  { url, namespace }: TestBroker,
  { url: databaseUrl }: TestDatabase,
): Promise<WorkSystem> {
  // Workers only ask which chain it is: none of the tasks reads it.
  const node = await startJsonRpcServer({ port: 0, methods: { chain_getBlockHash: () => `0x${'c0'.repeat(32)}` } })
  const environment = {
    RABBITMQ_URL: url,
    BLOCKMILL_NAMESPACE: namespace,
    BLOCKMILL_SMALLEST_DELAY: '50ms',
    LOG_LEVEL: 'fatal',
  }
  const logger = createSilentLogger()
  const broker = createBroker({ url, topology: createTopology({ namespace }), logger, connectionName: 'e2e' })
  const database = openDatabase({ url: databaseUrl, logger })
  const monitor = await startService(['monitor'], { ...environment, DATABASE_URL: databaseUrl })
  await broker.start()
  return {
    broker,
    database,
    monitor,
    publish: createTaskPublish(broker),
    startWorker: ({ name, queue, tasks, concurrency }) =>
      startService(['worker', '--name', name, '--queues', queue, '--concurrency', `${concurrency}`], {
        ...environment,
        CHAIN_URL: `ws://127.0.0.1:${node.port}`,
        BLOCKMILL_CHAIN: WORK_CHAIN,
        BLOCKMILL_TASKS: new URL(`../${tasks}`, import.meta.url).pathname,
      }),
    async stop() {
      await Promise.all([monitor.stop(), broker.stop(), database.close(), node.stop()])
    },
  }
}

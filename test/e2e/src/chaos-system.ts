import { fileURLToPath } from 'node:url'

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

import { CHAOS_CHAIN, CHAOS_QUEUE } from './chaos-plan.ts'
import { type ServiceProcess, startService } from './service-process.ts'

/** What all runs share: a monitor, and workers that are killed and replaced. */
export interface ChaosSystem {
  readonly broker: Broker
  readonly database: Database
  readonly publish: (message: TaskMessage) => Promise<void>
  /** Rejects when a worker cannot start. Never resolves. */
  readonly failed: Promise<never>
  /** Kills one of the workers that are up, and starts another in its place without waiting for it. */
  killWorker(choice: number): Promise<void>
  /** Asks all workers to end, also those that still start, and resolves with their exit statuses. */
  stopWorkers(): Promise<(number | null)[]>
  /** Ends everything. */
  stop(): Promise<void>
}

const TASKS = fileURLToPath(new URL('../chaos-tasks', import.meta.url))

/** Starts the monitor and the workers. */
export async function startChaosSystem(
  { url, namespace }: TestBroker,
  { url: databaseUrl }: TestDatabase,
  workers: number,
): Promise<ChaosSystem> {
  // Workers only ask which chain it is: none of the tasks reads it.
  const node = await startJsonRpcServer({ port: 0, methods: { chain_getBlockHash: () => `0x${'c0'.repeat(32)}` } })
  const environment = {
    RABBITMQ_URL: url,
    DATABASE_URL: databaseUrl,
    BLOCKMILL_NAMESPACE: namespace,
    BLOCKMILL_CHAIN: CHAOS_CHAIN,
    BLOCKMILL_SMALLEST_DELAY: '50ms',
    LOG_LEVEL: 'fatal',
  }
  const workerEnvironment = { ...environment, CHAIN_URL: `ws://127.0.0.1:${node.port}`, BLOCKMILL_TASKS: TASKS }
  const logger = createSilentLogger()
  const broker = createBroker({ url, topology: createTopology({ namespace }), logger, connectionName: 'chaos' })
  const database = openDatabase({ url: databaseUrl, logger })
  const monitor = await startService(['monitor'], environment)
  await broker.start()

  const up: ServiceProcess[] = []
  const starting = new Set<Promise<void>>()
  const failed = Promise.withResolvers<never>()
  // A run waits for it most of the time, but not always.
  failed.promise.catch(() => undefined)
  let started = 0
  async function bringUpWorker(): Promise<void> {
    started += 1
    const args = ['worker', '--name', `chaos-${started}`, '--queues', CHAOS_QUEUE, '--concurrency', '20']
    up.push(await startService(args, workerEnvironment))
  }
  function startWorker(): void {
    const begun = bringUpWorker()
    starting.add(begun)
    void begun.then(
      () => starting.delete(begun),
      (error: unknown) => failed.reject(error),
    )
  }
  const stopThoseUp = (): Promise<(number | null)[]> => Promise.all(up.splice(0).map((worker) => worker.stop()))

  for (let worker = 0; worker < workers; worker += 1) startWorker()
  return {
    broker,
    database,
    publish: createTaskPublish(broker),
    failed: failed.promise,
    async killWorker(choice) {
      while (up.length === 0) await Promise.race(starting)
      const [victim] = up.splice(choice % up.length, 1)
      await victim?.kill()
      startWorker()
    },
    async stopWorkers() {
      await Promise.all(starting)
      return await stopThoseUp()
    },
    async stop() {
      await Promise.allSettled(starting)
      await stopThoseUp()
      await Promise.all([monitor.stop(), broker.stop(), database.close(), node.stop()])
    },
  }
}

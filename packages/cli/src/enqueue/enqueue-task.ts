import {
  assertSchemaCurrent,
  createBroker,
  createClient,
  createLogger,
  createTopology,
  type Database,
  discoverTasks,
  type EnqueuedTask,
  type EnqueueOptions,
  type JsonObject,
  type Logger,
  openDatabase,
  waitForDatabase,
} from '@blockmill/core'

import { givingUp } from '../giving-up.ts'

/** Where a task is enqueued. */
export interface EnqueueConfig {
  readonly brokerUrl: string
  readonly namespace: string
  readonly monitorQueue?: string
  readonly chain: string
  readonly taskPackages: readonly string[]
  readonly maxAttempts: number
  /** Only needed for unique tasks. */
  readonly databaseUrl?: string
}

/** Connects, enqueues one task, and closes everything. */
export async function enqueueTask(
  { brokerUrl, namespace, monitorQueue, chain, taskPackages, maxAttempts, databaseUrl }: EnqueueConfig,
  { task, args, options }: { readonly task: string; readonly args: JsonObject; readonly options: EnqueueOptions },
): Promise<EnqueuedTask> {
  // Standard output is for the id alone.
  const logger = createLogger({ service: 'enqueue', level: 'warn', destination: process.stderr })
  const registry = await discoverTasks(taskPackages)
  const topology = createTopology({ namespace, ...(monitorQueue !== undefined && { monitorQueue }) })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'enqueue' })
  const database = databaseUrl === undefined ? undefined : openDatabase({ url: databaseUrl, logger, poolMax: 1 })
  try {
    if (database !== undefined) await reach(database, logger)
    await broker.start(givingUp('BROKER_UNREACHABLE', 'The broker'))
    return await createClient({ broker, database, registry, chain, maxAttempts }).enqueue(task, args, options)
  } finally {
    await Promise.all([broker.stop(), database?.close()])
  }
}

async function reach(database: Database, logger: Logger): Promise<void> {
  await waitForDatabase(database, { logger, signal: givingUp('DATABASE_UNREACHABLE', 'The database') })
  await assertSchemaCurrent(database)
}

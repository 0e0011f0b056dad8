import { randomBytes } from 'node:crypto'

import { createSilentLogger, migrate, openDatabase, waitForDatabase } from '@blockmill/core'
import {
  type Broker,
  createDatabase,
  dropDatabase,
  removeBrokerNamespace,
  startBroker,
  startPostgres,
} from '@blockmill/testkit'

/** The broker and the database of the demo. */
export interface DemoServices {
  /** How each was got: `native`, `docker` or `environment`. */
  readonly sources: { readonly broker: string; readonly database: string }
  /** Settings that lead the demo's processes to them. */
  readonly environment: Readonly<Record<'RABBITMQ_URL' | 'DATABASE_URL' | 'BLOCKMILL_NAMESPACE', string>>
  stop(): Promise<void>
}

/**
 * Starts a broker and a database, or uses those that the environment names: there, names of its own keep the demo apart
 * from what is there, and are removed at the end.
 *
 * @param log gets a line for each step that takes long, such as an installation.
 */
export async function startDemoServices(log: (line: string) => void): Promise<DemoServices> {
  const name = `demo-${randomBytes(4).toString('hex')}`
  const [broker, postgres] = await Promise.allSettled([startBroker({ log }), startDatabase(name, log)])
  if (broker.status === 'rejected' || postgres.status === 'rejected') {
    if (broker.status === 'fulfilled') await broker.value.stop()
    if (postgres.status === 'fulfilled') await postgres.value.stop()
    throw broker.status === 'rejected' ? broker.reason : (postgres as PromiseRejectedResult).reason
  }
  return {
    sources: { broker: broker.value.source, database: postgres.value.source },
    environment: {
      RABBITMQ_URL: broker.value.url,
      DATABASE_URL: postgres.value.url,
      BLOCKMILL_NAMESPACE: name,
    },
    async stop() {
      if (broker.value.source === 'environment') await leaveBroker(broker.value, name, log)
      await Promise.all([broker.value.stop(), postgres.value.stop()])
    },
  }
}

async function leaveBroker(
  { url, managementUrl }: Broker,
  namespace: string,
  log: (line: string) => void,
): Promise<void> {
  if (managementUrl !== undefined) await removeBrokerNamespace(managementUrl, url, namespace)
  else log(`The broker has no management API here; delete its queues and exchanges named ${namespace}.* yourself.`)
}

async function startDatabase(name: string, log: (line: string) => void) {
  const server = await startPostgres({ log })
  try {
    const url = await createDatabase(server.url, name)
    await migrateDatabase(url)
    return {
      source: server.source,
      url,
      async stop() {
        if (server.source === 'environment') await dropDatabase(server.url, name)
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function migrateDatabase(url: string): Promise<void> {
  const logger = createSilentLogger()
  const database = openDatabase({ url, logger, poolMax: 2 })
  try {
    await waitForDatabase(database, { logger })
    await migrate(database, { logger })
  } finally {
    await database.close()
  }
}

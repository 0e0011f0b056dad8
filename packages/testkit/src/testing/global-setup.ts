import { randomBytes } from 'node:crypto'

import type { TestProject } from 'vitest/node'

import { startBroker } from '../services/broker.ts'
import { dropDatabases } from '../services/postgres-databases.ts'
import { startPostgres } from '../services/postgres.ts'

/**
 * Vitest's global set-up: starts one broker and one database server for all test files of a project, and stops them when
 * the run ends. Test files get at them through `testBroker()` and `testDatabase()`.
 */
export async function setup(project: Pick<TestProject, 'provide'>): Promise<() => Promise<void>> {
  const log = (line: string) => process.stderr.write(`${line}\n`)
  const [broker, postgres] = await Promise.allSettled([
    startBroker({ management: true, log }),
    startPostgres({ durable: false, log }),
  ])
  if (broker.status === 'rejected' || postgres.status === 'rejected') {
    if (broker.status === 'fulfilled') await broker.value.stop()
    if (postgres.status === 'fulfilled') await postgres.value.stop()
    throw [broker, postgres].find((outcome) => outcome.status === 'rejected')?.reason
  }
  const databasePrefix = `blockmill_test_${randomBytes(4).toString('hex')}_`
  project.provide('blockmillServices', {
    brokerUrl: broker.value.url,
    managementUrl: broker.value.managementUrl,
    databaseUrl: postgres.value.url,
    databasePrefix,
  })
  return async () => {
    // A server that stays must be left as it was found; a private one disappears with everything in it.
    if (postgres.value.source === 'environment') await dropDatabases(postgres.value.url, databasePrefix)
    await Promise.all([broker.value.stop(), postgres.value.stop()])
  }
}

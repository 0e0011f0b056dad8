import { randomBytes } from 'node:crypto'

import { afterAll, beforeAll } from 'vitest'

import {
  createDatabase,
  databaseUrl,
  dropDatabase,
  ensureTemplate,
  listConnections,
  type MigrateDatabase,
} from '../services/postgres-databases.ts'
import { sharedServices } from './shared-services.ts'
import { waitFor } from './wait-for.ts'

/** Options of `testDatabase`. */
export interface TestDatabaseOptions {
  /** Brings a new database to the schema. Runs once in a test run; each file gets a copy of the result. Default empty databases. */
  readonly migrate?: MigrateDatabase
  /** Files that migrate to the same schema share a template of this name. Default `blockmill`. */
  readonly template?: string
}

/** A test file's own database. */
export interface TestDatabase {
  /** Known at once; the database exists from the file's `beforeAll` on. */
  readonly url: string
}

/** Closing a connection takes a moment on the server's side; a longer one on a busy machine. */
const CLOSING_MS = 10_000

/**
 * Gives the calling test file a database of its own and drops it after the file's tests. A connection that is open then
 * fails the file: something was not closed. Call it at the top of a test file or in a `describe`, before hooks that use it.
 */
export function testDatabase({ migrate, template = 'blockmill' }: TestDatabaseOptions = {}): TestDatabase {
  const { databaseUrl: serverUrl, databasePrefix } = sharedServices()
  const name = `${databasePrefix}${randomBytes(4).toString('hex')}`
  beforeAll(async () => {
    if (migrate === undefined) {
      await createDatabase(serverUrl, name)
    } else {
      const source = `${databasePrefix}template_${template}`
      await ensureTemplate(serverUrl, source, migrate)
      await createDatabase(serverUrl, name, { template: source })
    }
  })
  afterAll(async () => {
    try {
      await assertNoConnections(serverUrl, name)
    } finally {
      await dropDatabase(serverUrl, name)
    }
  })
  return { url: databaseUrl(serverUrl, name) }
}

async function assertNoConnections(serverUrl: string, name: string): Promise<void> {
  await waitFor(
    async () => {
      const open = await listConnections(serverUrl, name)
      if (open.length > 0) throw new Error(`still open: ${open.join('; ')}`)
      return true
    },
    { describe: 'the tests of this file to close their database connections', timeoutMs: CLOSING_MS },
  )
}

import { assertSchemaCurrent, createLogger, type Database, openDatabase, waitForDatabase } from '@blockmill/core'

import { givingUp } from './giving-up.ts'

/** Opens a database with the current schema for a command, and closes it when the command is done. */
export async function withDatabase<Result>(
  url: string,
  service: string,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  // Standard output is for the answer alone.
  const logger = createLogger({ service, level: 'warn', destination: process.stderr })
  const database = openDatabase({ url, logger, poolMax: 2, applicationName: service })
  try {
    await waitForDatabase(database, { logger, signal: givingUp('DATABASE_UNREACHABLE', 'The database') })
    await assertSchemaCurrent(database)
    return await work(database)
  } finally {
    await database.close()
  }
}

import { createSilentLogger, type Database, migrate, openDatabase } from '@blockmill/core'
import { type TestDatabase, testDatabase } from '@blockmill/testkit/vitest'

const logger = createSilentLogger()

/** A database of the calling test file, with Blockmill's schema. */
export function migratedDatabase(): TestDatabase {
  return testDatabase({
    migrate: async (url) => {
      const database = openDatabase({ url, logger })
      try {
        await migrate(database, { logger })
      } finally {
        await database.close()
      }
    },
  })
}

/** Opens a database; the caller closes it. */
export function open(url: string): Database {
  return openDatabase({ url, logger })
}

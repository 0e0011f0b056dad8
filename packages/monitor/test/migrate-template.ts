import { createSilentLogger, migrate, openDatabase } from '@blockmill/core'

const logger = createSilentLogger()

/** Brings the database that test files copy to the schema. */
export async function migrateTemplate(url: string): Promise<void> {
  const database = openDatabase({ url, logger })
  try {
    await migrate(database, { logger })
  } finally {
    await database.close()
  }
}

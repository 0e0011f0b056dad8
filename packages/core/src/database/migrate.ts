import type { Transaction } from '@mikro-orm/core'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { Database } from './database.ts'
import { databaseError } from './database-error.ts'
import type { LockedMigrator } from './locked-migrator.ts'

/** Key of the advisory lock that migrations run under: "blockmil" as a number. */
const MIGRATION_LOCK = '7092165985996466540'

/**
 * Brings the schema up to this version, in one transaction under an advisory lock: it may be run again, from several
 * services at once, and be interrupted.
 *
 * @throws ConfigurationError `DATABASE_REFUSED` when the user may not create what is needed, `DATABASE_SCHEMA_OUTDATED` when
 * a newer version of Blockmill has migrated the database already; RetryableError `DATABASE_UNREACHABLE`.
 */
export async function migrate(database: Database, { logger }: { readonly logger: Logger }): Promise<void> {
  const applied = await runLocked(database, async (migrator, transaction) => {
    await assertNotNewer(
      database,
      await executedMigrations((sql) => database.orm.em.getConnection().execute(sql, [], 'all', transaction)),
    )
    return migrator.up({ transaction })
  })
  for (const { name } of applied) logger.info({ migration: name }, 'database migrated')
}

/**
 * Takes the schema back by one migration, or with `to: 0` to nothing. The data in what is dropped is lost.
 *
 * @throws as `migrate` does.
 */
export async function revertMigration(
  database: Database,
  { logger, to }: { readonly logger: Logger; readonly to?: 0 },
): Promise<void> {
  const reverted = await runLocked(database, (migrator, transaction) =>
    migrator.down(to === undefined ? { transaction } : { transaction, to }),
  )
  for (const { name } of reverted) logger.info({ migration: name }, 'database migration reverted')
}

/**
 * @throws ConfigurationError `DATABASE_SCHEMA_OUTDATED` unless the schema is exactly the one of this version.
 */
export async function assertSchemaCurrent(database: Database): Promise<void> {
  const executed = await executedMigrations(database.query)
  const { MIGRATIONS } = await import('./migrations/migrations.ts')
  const missing = MIGRATIONS.filter(({ name }) => !executed.includes(name))
  if (missing.length > 0) {
    throw new ConfigurationError(
      'DATABASE_SCHEMA_OUTDATED',
      `The database at ${database.address} lacks ${missing.map(({ name }) => name).join(', ')}. Run: blockmill migrate`,
    )
  }
  await assertNotNewer(database, executed)
}

async function assertNotNewer(database: Database, executed: readonly string[]): Promise<void> {
  const { MIGRATIONS } = await import('./migrations/migrations.ts')
  const unknown = executed.filter((name) => MIGRATIONS.every((migration) => migration.name !== name))
  if (unknown.length === 0) return
  throw new ConfigurationError(
    'DATABASE_SCHEMA_OUTDATED',
    `The database at ${database.address} was migrated by a newer version of Blockmill (${unknown.join(', ')}). Run that version.`,
  )
}

async function runLocked<Result>(
  database: Database,
  run: (migrator: LockedMigrator, transaction: Transaction) => Promise<Result>,
): Promise<Result> {
  // Most processes never migrate.
  const { createLockedMigrator } = await import('./locked-migrator.ts')
  const connection = database.orm.em.getConnection()
  try {
    return await connection.transactional(async (transaction) => {
      await connection.execute(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`, [], 'run', transaction)
      // A migrator remembers which tables it made, even when that was rolled back: a new one for each run.
      return run(createLockedMigrator(database), transaction)
    })
  } catch (error) {
    throw error instanceof ConfigurationError ? error : databaseError(error, database.address)
  }
}

/** Names of the migrations that the database has, without creating anything. */
async function executedMigrations(run: (sql: string) => Promise<object[]>): Promise<string[]> {
  const [table] = await run(`select to_regclass('blockmill.migration') is not null as exists`)
  if (table === undefined || !('exists' in table) || table.exists !== true) return []
  const rows = (await run('select name from blockmill.migration order by id')) as { name: string }[]
  return rows.map(({ name }) => name)
}

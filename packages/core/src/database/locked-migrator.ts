import { Migrator } from '@mikro-orm/migrations'

import type { Database } from './database.ts'
import { DATABASE_SCHEMA } from './database-schema.ts'
import { MIGRATIONS } from './migrations/migrations.ts'

/**
 * MikroORM's migrator prepares itself on other connections: it creates the database when it finds none, and its own table,
 * where several services would collide. Here the database exists, and the table is made in the transaction.
 */
export class LockedMigrator extends Migrator {
  protected override async init(): Promise<void> {
    // Nothing to prepare: migrations are a list, and the storage creates its table when it first needs it.
  }
}

/** A migrator for one run. */
export function createLockedMigrator(database: Database): LockedMigrator {
  const { config } = database.orm
  config.set('migrations', {
    ...config.get('migrations'),
    tableName: `${DATABASE_SCHEMA}.migration`,
    migrationsList: [...MIGRATIONS],
    snapshot: false,
    silent: true,
  })
  return new LockedMigrator(database.em())
}

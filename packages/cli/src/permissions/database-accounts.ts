import { ConfigurationError, type Database, databaseFailure } from '@blockmill/core'

import type { AccountPasswords } from './account-passwords.ts'
import { DATABASE_ROLES, type DatabaseRole } from './database-privileges.ts'
import { databaseStatements } from './database-statements.ts'
import { databasePasswordHash } from './password-hash.ts'
import { accountName } from './service-role.ts'

/** One role of the database as it is now, and its password when it was set. */
export interface DatabaseUser {
  readonly role: DatabaseRole
  readonly name: string
  readonly password: string | undefined
}

/**
 * Makes or updates a role of the database for each service that needs one, with the least privileges, in one transaction. May be
 * run again, and has to be after a migration that brought tables.
 *
 * @param database opened by the owner of the schema, who may create roles. The schema must be that of this version.
 * @throws ConfigurationError `DATABASE_REFUSED` when the owner may not.
 */
export async function setUpDatabaseRoles(
  database: Database,
  { namespace, passwords }: { readonly namespace: string; readonly passwords: AccountPasswords },
): Promise<readonly DatabaseUser[]> {
  const users: DatabaseUser[] = []
  try {
    await database.withTransaction(async (query) => {
      const [current] = await query<{ name: string }>('select current_database() as name')
      for (const role of DATABASE_ROLES) {
        const name = accountName(namespace, role)
        const exists = (await query('select from pg_roles where rolname = $1', [name])).length > 0
        const password = passwords.of(role, exists)
        const passwordHash = password === undefined ? undefined : databasePasswordHash(password)
        for (const statement of databaseStatements({ name, role, exists, passwordHash }, current?.name ?? '')) {
          await query(statement)
        }
        users.push({ role, name, password })
      }
    })
    return users
  } catch (cause) {
    if (databaseFailure(cause) !== 'refused') throw cause
    throw new ConfigurationError(
      'DATABASE_REFUSED',
      `PostgreSQL at ${database.address} refuses: ${(cause as Error).message}. DATABASE_URL must be that of the schema's owner here, with the attribute CREATEROLE.`,
      { cause },
    )
  }
}

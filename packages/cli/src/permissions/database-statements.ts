import { DATABASE_SCHEMA } from '@blockmill/core'

import { databaseFunctions, type DatabaseRole, databasePrivileges } from './database-privileges.ts'

/** An account as it is to be. */
export interface DatabaseAccount {
  readonly name: string
  readonly role: DatabaseRole
  /** Whether it is there already. */
  readonly exists: boolean
  /** The verifier of its password; `undefined` keeps the one that it has. */
  readonly passwordHash: string | undefined
}

/**
 * The statements that give an account exactly what it needs, and take what it has beyond. To be run in one transaction, so that a
 * service that works meanwhile is never without.
 *
 * @param database the name of the database.
 */
export function databaseStatements({ name, role, exists, passwordHash }: DatabaseAccount, database: string): string[] {
  const account = identifier(name)
  const schema = identifier(DATABASE_SCHEMA)
  const password = passwordHash === undefined ? '' : ` password ${literal(passwordHash)}`
  const grants = [...databasePrivileges(role)].map(
    ([table, privileges]) => `grant ${privileges.join(', ')} on ${schema}.${identifier(table)} to ${account}`,
  )
  const calls = databaseFunctions(role).map(
    (called) => `grant execute on function ${schema}.${identifier(called)} to ${account}`,
  )
  return [
    // A new role may do nothing but log in.
    `${exists ? 'alter' : 'create'} role ${account} login${password}`,
    `grant connect on database ${identifier(database)} to ${account}`,
    `revoke all on schema ${schema} from ${account}`,
    `revoke all on all tables in schema ${schema} from ${account}`,
    `revoke all on all functions in schema ${schema} from ${account}`,
    `grant usage on schema ${schema} to ${account}`,
    ...grants,
    ...calls,
  ]
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

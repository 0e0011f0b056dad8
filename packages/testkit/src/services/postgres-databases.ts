import { escapeIdentifier } from 'pg'

import { withConnection } from './postgres-session.ts'

/** Brings an empty database to the schema that the tests need. */
export type MigrateDatabase = (url: string) => Promise<void>

/**
 * Creates a database and returns its URL.
 * @param serverUrl any database of the server; its user needs the right to create databases.
 * @param template name of a database to copy, data included. Default an empty database.
 */
export async function createDatabase(
  serverUrl: string,
  name: string,
  { template }: { readonly template?: string } = {},
): Promise<string> {
  const from = template === undefined ? '' : ` template ${escapeIdentifier(template)}`
  await withConnection(serverUrl, (client) => client.query(`create database ${escapeIdentifier(name)}${from}`))
  return databaseUrl(serverUrl, name)
}

/** Drops a database if it exists, cutting the connections that it still has. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withConnection(serverUrl, (client) =>
    client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`),
  )
}

/**
 * Makes sure that a migrated database exists, to be copied. Whoever comes first migrates it, others wait: a migration is
 * slow, a copy is not.
 */
export async function ensureTemplate(serverUrl: string, name: string, migrate: MigrateDatabase): Promise<void> {
  await withConnection(serverUrl, async (client) => {
    // Held until this connection closes.
    await client.query('select pg_advisory_lock(hashtext($1))', [name])
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [name])
    if (rowCount !== 0) return
    // A database under the final name is complete, so that a migration that fails is not taken for a template.
    const unfinished = `${name}_unfinished`
    await dropDatabase(serverUrl, unfinished)
    await migrate(await createDatabase(serverUrl, unfinished))
    await client.query(`alter database ${escapeIdentifier(unfinished)} rename to ${escapeIdentifier(name)}`)
  })
}

/** Drops all databases whose names start with `prefix`. */
export async function dropDatabases(serverUrl: string, prefix: string): Promise<void> {
  const names = await withConnection(serverUrl, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [prefix],
    )
    return rows.map(({ datname }) => datname)
  })
  for (const name of names) await dropDatabase(serverUrl, name)
}

/** One line for each connection that a database has, for messages about connections that were not closed. */
export async function listConnections(serverUrl: string, name: string): Promise<string[]> {
  return withConnection(serverUrl, async (client) => {
    const { rows } = await client.query<{ line: string }>(
      `select format('%s, %s: %s', coalesce(nullif(application_name, ''), 'unnamed'), state, left(query, 80)) as line
       from pg_stat_activity where datname = $1 and backend_type = 'client backend'`,
      [name],
    )
    return rows.map(({ line }) => line)
  })
}

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${encodeURIComponent(name)}`
  return url.href
}

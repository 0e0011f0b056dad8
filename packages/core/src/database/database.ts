import { createRequire } from 'node:module'

import type * as Orm from '@mikro-orm/postgresql'
import type { EntityManager, MikroORM } from '@mikro-orm/postgresql'

import { redactUrl } from '../chain/redact-url.ts'
import { isAddress } from '../config/setting.ts'
import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { within } from '../service/within.ts'
import { DATABASE_SCHEMA } from './database-schema.ts'
import { DeadLetterEntity, WorkerEntity } from './monitoring-entities.ts'
import { createOrmLogger } from './orm-logger.ts'
import { ChainEntity, CoverageEntity, SchedulerLeaseEntity } from './scheduling-entities.ts'
import { TaskAttemptEntity, TaskEntity } from './task-entities.ts'

/** Runs one SQL statement with `$1` parameters. Returns its rows: `timestamptz` as `Date`, `bigint` as number (safe to 2^53). */
export type Query = <Row extends object = Record<string, unknown>>(
  sql: string,
  params?: readonly unknown[],
  options?: StatementOptions,
) => Promise<Row[]>

/** How a statement is run. */
export interface StatementOptions {
  /**
   * Plans it once for each connection, under this name, which no other text may have. For long statements that are run again and
   * again.
   */
  readonly prepareAs?: string
}

/** Blockmill's database. Connections are opened when they are needed, and again after they were cut. */
export interface Database {
  /** Address without user, password and database name, for messages. */
  readonly address: string
  readonly orm: MikroORM
  /** A fresh entity manager. Use one for each unit of work. */
  em(): EntityManager
  /** SQL on a connection of MikroORM's pool, for what entities are too slow or too narrow for. */
  readonly query: Query
  /** Runs `work` in one transaction on one connection: commits when it resolves, rolls back when it rejects. */
  withTransaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>
  /** True when a statement comes back within 2 s. */
  isHealthy(): Promise<boolean>
  /** Closes all connections when their statements are done, or after 3 s. Idempotent. */
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** `postgresql://user:password@host:port/database`, with the parameters that libpq knows (`sslmode` and so on). */
  readonly url: string
  readonly logger: Logger
  /** Most connections at once. Default 10. */
  readonly poolMax?: number
  /** Longest wait for the result of a statement; after it the connection is given up. Default 20 s. */
  readonly queryTimeoutMs?: number
  /** How the connections are named in `pg_stat_activity`. Default `blockmill`. */
  readonly applicationName?: string
}

const POSTGRES_PROTOCOLS = ['postgres:', 'postgresql:']

/** How long to wait for a connection before giving up. */
const CONNECT_TIMEOUT_MS = 10_000
const QUERY_TIMEOUT_MS = 20_000
/** What MikroORM itself sends: a migration may rebuild a large table. */
const ORM_QUERY_TIMEOUT_MS = 10 * 60_000
const HEALTHY_WITHIN_MS = 2_000
const CLOSE_WITHIN_MS = 3_000

/**
 * Opens the database without connecting yet; see `waitForDatabase`.
 *
 * @throws ConfigurationError `CONFIG_INVALID` when the URL is not one of PostgreSQL.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { url, queryTimeoutMs = QUERY_TIMEOUT_MS } = options
  if (!isAddress(url, POSTGRES_PROTOCOLS)) {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      `DATABASE_URL is ${redactUrl(url)}; it must look like postgresql://user:password@host:5432/database.`,
    )
  }
  const orm = createOrm(options)
  let closing: Promise<void> | undefined
  const pool = async (): Promise<ConnectionPool> => {
    // MikroORM would open a new pool, which nobody would close.
    if (closing !== undefined) throw new Error('The database was closed; nothing can be asked of it any more.')
    return (await orm.em.getConnection().getNativeClient()) as unknown as ConnectionPool
  }

  return {
    address: redactUrl(url),
    orm,
    em: () => orm.em.fork(),
    async query(sql, params, statement) {
      const connections = await pool()
      const settings = { types: valueReaders(connections), query_timeout: queryTimeoutMs }
      return runQuery(connections, settings, sql, params, statement)
    },
    async withTransaction(work) {
      const connections = await pool()
      const statements = { types: valueReaders(connections), query_timeout: queryTimeoutMs }
      return inTransaction(await connections.connect(), statements, work)
    },
    async isHealthy() {
      const answered = pool().then((connections) =>
        runQuery(connections, { types: valueReaders(connections), query_timeout: HEALTHY_WITHIN_MS }, 'select 1'),
      )
      try {
        // A connection may take longer than the statement.
        return await within(HEALTHY_WITHIN_MS, answered)
      } catch {
        // Whoever asks wants to know whether, not why: those who work with the database report that.
        return false
      }
    },
    close: () => (closing ??= closeOrm(orm)),
  }
}

function createOrm({ url, logger, poolMax = 10, applicationName = 'blockmill' }: DatabaseOptions): MikroORM {
  // Loaded when it is needed: workers, their children and whoever only defines tasks have no database.
  const orm = createRequire(import.meta.url)('@mikro-orm/postgresql') as typeof Orm
  return new orm.MikroORM({
    entities: [
      ChainEntity,
      CoverageEntity,
      DeadLetterEntity,
      SchedulerLeaseEntity,
      TaskAttemptEntity,
      TaskEntity,
      WorkerEntity,
    ],
    dbName: decodeURIComponent(new URL(url).pathname.slice(1)),
    schema: DATABASE_SCHEMA,
    ensureDatabase: false,
    loggerFactory: () => createOrmLogger(logger),
    driverOptions: {
      // `pg` reads the whole URL; MikroORM would ignore its parameters and take a missing port for 0.
      connectionString: url,
      application_name: applicationName,
      max: poolMax,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: ORM_QUERY_TIMEOUT_MS,
      keepAlive: true,
    },
  })
}

async function closeOrm(orm: MikroORM): Promise<void> {
  const connection = orm.em.getConnection()
  const pool = (await connection.getNativeClient()) as unknown as ConnectionPool
  const clients = [...pool._clients]
  const timer = setTimeout(() => {
    // A peer that no longer answers must not keep the process from stopping.
    for (const client of clients) client.connection.stream.destroy()
  }, CLOSE_WITHIN_MS)
  try {
    await orm.close(true)
    // The query builder that MikroORM closes ends the pool only when it has used it itself.
    if (!pool.ending) await pool.end()
  } finally {
    clearTimeout(timer)
  }
}

async function inTransaction<Result>(
  connection: PooledConnection,
  options: QueryOptions,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  const query: Query = (sql, params, statement) => runQuery(connection, options, sql, params, statement)
  let broken: Error | undefined
  try {
    await query('begin')
    try {
      const result = await work(query)
      await query('commit')
      return result
    } catch (error) {
      // A connection that cannot roll back must not be used again; the first error is the one that counts.
      if (!isTimeout(error)) {
        await query('rollback').catch((rollbackError: Error) => {
          broken = rollbackError
        })
      }
      throw error
    }
  } catch (error) {
    if (isTimeout(error)) broken = error
    throw error
  } finally {
    connection.release(broken)
  }
}

async function runQuery<Row extends object>(
  connection: QueryRunner,
  options: QueryOptions,
  text: string,
  params: readonly unknown[] = [],
  { prepareAs: name }: StatementOptions = {},
): Promise<Row[]> {
  const { rows } = await connection.query({
    text,
    values: [...params],
    ...options,
    ...(name !== undefined && { name }),
  })
  return rows as Row[]
}

/** The statement is still under way on its connection, which waits for it for ever. */
function isTimeout(error: unknown): error is Error {
  return error instanceof Error && error.message === 'Query read timeout'
}

const BIGINT = 20
const TIMESTAMPTZ = 1184

/** Reads values as MikroORM's pool does, but times as `Date` (it leaves them as text) and `bigint` as number. */
function valueReaders(pool: ConnectionPool): ValueReaders {
  return {
    getTypeParser(type, format) {
      if (type === BIGINT) return Number
      if (type === TIMESTAMPTZ) return (text) => new Date(text)
      return pool.options.types.getTypeParser(type, format)
    },
  }
}

/** The parts of `pg` that are used here; its types are no dependency of ours. */
interface ValueReaders {
  getTypeParser(type: number, format?: string): (text: string) => unknown
}
interface QueryOptions {
  readonly types: ValueReaders
  readonly query_timeout: number
}
interface QueryRunner {
  query(config: { text: string; values: unknown[]; name?: string } & QueryOptions): Promise<{ rows: unknown[] }>
}
interface ConnectionPool extends QueryRunner {
  readonly options: { readonly types: ValueReaders }
  readonly ending: boolean
  /** All of them, also those in use: the pool itself knows no way to end a connection whose peer is silent. */
  readonly _clients: readonly { readonly connection: { readonly stream: { destroy(): void } } }[]
  connect(): Promise<PooledConnection>
  end(): Promise<void>
}
interface PooledConnection extends QueryRunner {
  release(error?: Error): void
}

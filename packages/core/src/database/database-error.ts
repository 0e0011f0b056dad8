import { type BlockmillError, ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import { redactUrls } from '../chain/redact-url.ts'
import { tlsFailure } from '../service/tls-failure.ts'

/**
 * What became of a statement that failed.
 *
 * | failure | meaning | what helps |
 * | --- | --- | --- |
 * | refused | wrong password, no such database, no permission | a person |
 * | unavailable | no connection, no answer, shutting down, disk full, table not there yet | time |
 * | conflict | deadlock or serialization failure | the same statement again, at once |
 * | rejected | the data does not fit: out of range, not valid, too large | other data |
 * | unexpected | anything else: a mistake in the statement or in our code, a schema of another version | a person |
 */
export const DATABASE_FAILURES = ['refused', 'unavailable', 'conflict', 'rejected', 'unexpected'] as const
export type DatabaseFailure = (typeof DATABASE_FAILURES)[number]

// Classes and codes: PostgreSQL manual, appendix A.
const REFUSED = /^(28...|3D000|42501)$/
const CONFLICT = /^40(001|P01)$/
// Cardinality violation, data exception, integrity constraint violation, program limit exceeded.
const REJECTED = /^(21|22|23|54)...$/
// Connection exception, object not in prerequisite state, operator intervention, insufficient resources, system error, internal
// error; undefined table or schema: somebody else migrates.
const UNAVAILABLE = /^((08|25|53|55|57|58|F0|XX)...|42P01|3F000)$/
// `pg` gives its own errors no code.
const CONNECTION_FAILED =
  /^(Query read timeout|timeout exceeded when trying to connect|timeout expired|Connection terminated|The server does not support SSL|Client (has encountered|was closed)|Cannot use a pool after|The database was closed)/

/** As parameters of DATABASE_URL. */
const TLS_FILES = { ca: 'sslrootcert', client: 'sslcert and sslkey' } as const

/** Says which kind of failure an error of `pg` or MikroORM is. */
export function databaseFailure(error: unknown): DatabaseFailure {
  const state = sqlState(error)
  if (state === undefined) {
    // A certificate that has expired is renewed, and then a service that runs goes on.
    return isConnectionError(error) || tlsFailure(error, TLS_FILES) !== undefined ? 'unavailable' : 'unexpected'
  }
  if (REFUSED.test(state)) return 'refused'
  if (CONFLICT.test(state)) return 'conflict'
  if (UNAVAILABLE.test(state)) return 'unavailable'
  return REJECTED.test(state) ? 'rejected' : 'unexpected'
}

/**
 * The error for a database that cannot be used: `DATABASE_REFUSED` or `TLS_REFUSED` when a person must act, `DATABASE_UNREACHABLE` when time
 * may help.
 *
 * @param where the redacted address of the database.
 */
export function databaseError(error: unknown, where: string): BlockmillError {
  const tls = tlsFailure(error, TLS_FILES)
  if (tls !== undefined) {
    return new ConfigurationError('TLS_REFUSED', `No TLS with PostgreSQL at ${where}: ${tls}.`, { cause: error })
  }
  const why = redactUrls(reasonOf(error))
  if (databaseFailure(error) === 'refused') {
    return new ConfigurationError(
      'DATABASE_REFUSED',
      `PostgreSQL at ${where} refuses: ${why}. Check user, password and database name in DATABASE_URL.`,
      { cause: error },
    )
  }
  return new RetryableError('DATABASE_UNREACHABLE', `PostgreSQL at ${where} cannot be used: ${why}.`, { cause: error })
}

/** The five-character SQLSTATE of an error, when the server sent one. */
function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  // Node's own codes, such as EPIPE, can be five characters long; they have no digit.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** True for the errors of sockets and name look-ups, which have codes without digits, and for those of `pg` itself. */
function isConnectionError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isConnectionError)
  if (!(error instanceof Error)) return false
  const isOfNode =
    'syscall' in error ||
    ('code' in error && /^(E(?!RR_)[A-Z_]+|ERR_(SSL|TLS|SOCKET|STREAM)_\w+)$/.test(String(error.code)))
  return isOfNode || CONNECTION_FAILED.test(error.message)
}

function reasonOf(error: unknown): string {
  // A name with several addresses fails with one error for each, under a message that is empty.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}

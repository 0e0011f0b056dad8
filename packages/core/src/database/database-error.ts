import { type BlockmillError, ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import { redactUrls } from '../chain/redact-url.ts'

/**
 * What became of a statement that failed.
 *
 * | failure | meaning | what helps |
 * | --- | --- | --- |
 * | refused | wrong password, no such database, no permission | a person |
 * | unavailable | no connection, shutting down, disk full, schema not there yet, anything unknown | time |
 * | conflict | deadlock or serialization failure | the same statement again, at once |
 * | rejected | the data does not fit: out of range, not valid, too large | other data |
 */
export const DATABASE_FAILURES = ['refused', 'unavailable', 'conflict', 'rejected'] as const
export type DatabaseFailure = (typeof DATABASE_FAILURES)[number]

// Classes and codes: PostgreSQL manual, appendix A.
const REFUSED = /^(28...|3D000|42501)$/
const CONFLICT = /^40(001|P01)$/
// Cardinality violation, data exception, integrity constraint violation, program limit exceeded.
const REJECTED = /^(21|22|23|54)...$/

/** Says which kind of failure an error of `pg` or MikroORM is. */
export function databaseFailure(error: unknown): DatabaseFailure {
  const state = sqlState(error)
  if (state === undefined) return 'unavailable'
  if (REFUSED.test(state)) return 'refused'
  if (CONFLICT.test(state)) return 'conflict'
  return REJECTED.test(state) ? 'rejected' : 'unavailable'
}

/**
 * The error for a database that cannot be used: `DATABASE_REFUSED` when a person must act, `DATABASE_UNREACHABLE` when time
 * may help.
 *
 * @param where the redacted address of the database.
 */
export function databaseError(error: unknown, where: string): BlockmillError {
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

function reasonOf(error: unknown): string {
  // A name with several addresses fails with one error for each, under a message that is empty.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}

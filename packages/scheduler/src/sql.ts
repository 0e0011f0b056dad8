import { type Database, databaseError } from '@blockmill/core'

/** The database as the scheduler needs it: one statement at a time, each a transaction of its own, parameters `$1`, `$2`, … */
export interface Sql {
  /** @throws RetryableError `DATABASE_UNREACHABLE`, ConfigurationError `DATABASE_REFUSED`. */
  query<Row extends object>(statement: string, parameters: readonly unknown[]): Promise<readonly Row[]>
}

/** A database whose errors say what they mean for whoever waits: try again, or call a person. */
export function createSql(database: Pick<Database, 'query' | 'address'>): Sql {
  return {
    async query<Row extends object>(statement: string, parameters: readonly unknown[]) {
      try {
        return await database.query<Row>(statement, parameters)
      } catch (error) {
        throw databaseError(error, database.address)
      }
    },
  }
}

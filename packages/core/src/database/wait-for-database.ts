import { setTimeout as delay } from 'node:timers/promises'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { unlessAborted } from '../service/unless-aborted.ts'
import type { Database } from './database.ts'
import { databaseError } from './database-error.ts'

const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000

/**
 * Resolves as soon as the database answers. Tries again with growing pauses, one log line for each failure.
 *
 * @throws ConfigurationError `DATABASE_REFUSED` at once for wrong credentials or a database that does not exist; the
 * signal's reason when it aborts.
 */
export async function waitForDatabase(
  database: Database,
  { logger, signal = new AbortController().signal }: { readonly logger: Logger; readonly signal?: AbortSignal },
): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted()
    try {
      // A statement to a database that stalls does not end for a while.
      await unlessAborted(database.query('select 1'), signal)
      return
    } catch (error) {
      signal.throwIfAborted()
      const failure = databaseError(error, database.address)
      if (failure instanceof ConfigurationError) throw failure
      logger.warn({ reason: failure.message, retryInMs: pauseMs }, 'waiting for the database')
    }
    await delay(pauseMs, undefined, { signal })
  }
}

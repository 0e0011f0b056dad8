import { setTimeout as delay } from 'node:timers/promises'

import { type Database, databaseError, databaseFailure, type Logger } from '@blockmill/core'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/** The database as the recorder needs it: what it is given is stored, however long that takes. */
export interface Storage {
  /** False from a failed write until the next one that succeeds. */
  isAvailable(): boolean
  /**
   * Writes until it is written: after a conflict at once, while the database is unavailable with growing pauses.
   *
   * @throws the database's error when it refuses the data itself (trying again cannot help), the signal's reason when it
   * aborts while the database is unavailable.
   */
  store(write: (database: Database) => Promise<void>, signal: AbortSignal): Promise<void>
}

export interface StorageOptions {
  readonly database: Database
  readonly logger: Logger
  /** Told of every attempt that has to be made again. */
  readonly onRetry: () => void
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

export function createStorage({ database, logger, onRetry, pause = wait }: StorageOptions): Storage {
  let available = true

  const fail = (error: unknown, retryInMs: number): void => {
    if (available) {
      const reason = databaseError(error, database.address).message
      logger.warn({ reason, retryInMs }, 'the database takes no records; messages wait in the broker')
    }
    available = false
  }
  const succeed = (): void => {
    if (!available) logger.info('the database takes records again')
    available = true
  }

  return {
    isAvailable: () => available,
    async store(write, signal) {
      for (let pauseMs = FIRST_PAUSE_MS; ;) {
        try {
          await write(database)
          succeed()
          return
        } catch (error) {
          const failure = databaseFailure(error)
          if (failure === 'rejected') {
            succeed()
            throw error
          }
          onRetry()
          if (failure === 'conflict') continue
          fail(error, pauseMs)
        }
        signal.throwIfAborted()
        await pause(pauseMs, signal)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    },
  }
}

/** @throws the signal's reason. */
async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal })
}

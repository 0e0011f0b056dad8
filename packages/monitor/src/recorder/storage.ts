import { setTimeout as delay } from 'node:timers/promises'

import { type Database, databaseError, databaseFailure, type Logger } from '@blockmill/core'

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** A failure that lasts is logged again after so long. */
const LOG_EVERY_MS = 30_000
/** After so many failures in a row, about two minutes, a person should look. */
const FAILURES_FOR_ERROR = 30

/** The database as the recorder needs it: what it is given is stored, however long that takes. */
export interface Storage {
  /** False from a failed write until the next one that succeeds. */
  isAvailable(): boolean
  /**
   * Writes until it is written, with growing pauses. What is not the database being away is logged as an error, and tried
   * again all the same: nothing may be lost by a mistake of ours.
   *
   * @throws the database's error when it refuses the data itself (trying again cannot help), the signal's reason when it
   * aborts after a failure.
   */
  store(write: (database: Database) => Promise<void>, signal: AbortSignal): Promise<void>
}

export interface StorageOptions {
  readonly database: Database
  readonly logger: Logger
  /** Told of every attempt that has to be made again. */
  readonly onRetry: () => void
  /** Milliseconds; default the process's clock. */
  readonly now?: () => number
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>
}

export function createStorage({
  database,
  logger,
  onRetry,
  now = () => performance.now(),
  pause = wait,
}: StorageOptions): Storage {
  let available = true
  let loggedAt = Number.NEGATIVE_INFINITY

  const fail = (error: unknown, failures: number, retryInMs: number): void => {
    const isDue = available || now() - loggedAt >= LOG_EVERY_MS
    available = false
    if (!isDue) return
    loggedAt = now()
    if (databaseFailure(error) === 'unexpected') {
      logger.error({ err: error, failures, retryInMs }, 'records cannot be written; trying again')
      return
    }
    const reason = databaseError(error, database.address).message
    const level = failures >= FAILURES_FOR_ERROR ? 'error' : 'warn'
    logger[level]({ reason, failures, retryInMs }, 'the database takes no records; messages wait in the broker')
  }
  const succeed = (): void => {
    if (!available) logger.info('the database takes records again')
    available = true
  }

  return {
    isAvailable: () => available,
    async store(write, signal) {
      let pauseMs = FIRST_PAUSE_MS
      for (let failures = 1; ; failures += 1) {
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
          if (failure !== 'conflict') fail(error, failures, pauseMs)
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

import { type DeadReason, databaseFailure } from '@blockmill/core'

import { bisect } from './bisect.ts'
import type { Bury } from './bury.ts'
import type { Entry } from './intake.ts'
import { countRecords, foldBatch, latestTime, type Records, splitRecords } from './records.ts'
import type { Storage } from './storage.ts'
import { storeRecords } from './store-records.ts'

type Readable = Extract<Entry, { type: 'readable' }>

/** Brings a batch to where it belongs: records to the database, what cannot be recorded to the dead queue. */
export interface BatchWriter {
  /**
   * Resolves when every message of the batch is stored, or confirmed by the dead queue. Writing a batch again does no harm.
   *
   * @returns number of rows written, and the latest time that they speak of.
   * @throws the signal's reason when it aborts while something is not available, or the broker's error when it refuses.
   */
  write(
    batch: readonly Entry[],
    signal: AbortSignal,
  ): Promise<{ readonly rows: number; readonly latest: number | undefined }>
}

export interface BatchWriterOptions {
  readonly storage: Storage
  readonly bury: Bury
  readonly onBuried: (reason: DeadReason) => void
}

export function createBatchWriter({ storage, bury, onBuried }: BatchWriterOptions): BatchWriter {
  const buryUnlessAborted = async (
    { delivery }: Entry,
    reason: DeadReason,
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> => {
    await unlessAborted(bury(delivery, reason, error), signal)
    onBuried(reason)
  }

  const store = async (records: Records, signal: AbortSignal): Promise<void> => {
    await storage.store((database) => storeRecords(database, records), signal)
  }

  /** Stores of one message what can be stored, and buries the message: it says something that cannot. */
  const salvage = async (entry: Readable, error: unknown, signal: AbortSignal): Promise<void> => {
    await bisect(splitRecords(entry.records), {
      take: (parts) => store(foldBatch(parts), signal),
      isRefusal,
      // The message is buried as a whole, with the reason that its first refusal gave.
      onRefused: async () => undefined,
    })
    await buryUnlessAborted(entry, 'not_recordable', error, signal)
  }

  return {
    async write(batch, signal) {
      for (const entry of batch) {
        if (entry.type === 'unreadable') await buryUnlessAborted(entry, 'invalid_message', entry.error, signal)
      }
      let rows = 0
      let latest: number | undefined
      await bisect(batch.filter(isReadable), {
        take: async (entries) => {
          const records = foldBatch(entries.map((entry) => entry.records))
          await store(records, signal)
          rows += countRecords(records)
          const time = latestTime(records)
          if (time !== undefined) latest = Math.max(time, latest ?? time)
        },
        isRefusal,
        onRefused: (entry, error) => salvage(entry, error, signal),
      })
      return { rows, latest }
    },
  }
}

function isReadable(entry: Entry): entry is Readable {
  return entry.type === 'readable'
}

function isRefusal(error: unknown): boolean {
  return databaseFailure(error) === 'rejected'
}

/** @throws the signal's reason when it aborts first. What was under way goes on unheard. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    if (signal.aborted) abort()
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

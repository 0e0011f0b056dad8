import { setTimeout as delay } from 'node:timers/promises'

import {
  type Broker,
  type Database,
  databaseFailure,
  type DeadReason,
  type Delivery,
  type Logger,
  readRowsMessage,
  type ResultSinks,
  type RowsPart,
  type StoredParts,
  storeParts,
  unlessAborted,
} from '@blockmill/core'

import { bisect } from '../recorder/bisect.ts'
import type { Bury } from '../recorder/bury.ts'
import { createStorage, type Storage } from '../recorder/storage.ts'
import type { ResultMetrics } from './result-metrics.ts'

export interface ResultRecorderOptions {
  readonly broker: Pick<Broker, 'consume' | 'topology'>
  readonly database: Database
  readonly sinks: ResultSinks
  readonly bury: Bury
  readonly logger: Logger
  readonly metrics: ResultMetrics
}

/** Stores the rows of range jobs in the sinks of these jobs. Several may run at once. */
export interface ResultRecorder {
  /** Resolves when it consumes. Idempotent. */
  start(): Promise<void>
  /** True while it consumes and its sinks take what it stores. */
  isReady(): boolean
  /** Finishes what it writes, unless the database is away; the rest goes back to the queue. Idempotent. */
  stop(): Promise<void>
}

/** Parts of one transaction. A part is some 100 KB, and 1.3 MB at most. */
const BATCH = 16
/** Twice that, so that the next parts are there when these are stored. */
const PREFETCH = 32
/** Before parts that could not be stored for want of the broker are tried again. */
const RETRY_MS = 1_000

interface Entry {
  readonly delivery: Delivery
  readonly part: RowsPart
}

/** See `ResultRecorder`; nothing happens before `start()`. */
export function createResultRecorder(options: ResultRecorderOptions): ResultRecorder {
  const { broker, database, sinks, bury, logger, metrics } = options
  const storage: Storage = createStorage({ database, logger, onRetry: () => metrics.retried() })
  const stopping = new AbortController()
  let waiting: Delivery[] = []
  let working: Promise<void> | undefined
  let consuming: ReturnType<Broker['consume']> | undefined
  let isConsuming = false

  /** Alone writes and acks, one batch after the other, until nothing waits. */
  async function work(): Promise<void> {
    while (waiting.length > 0 && !stopping.signal.aborted) {
      const batch = waiting.splice(0, BATCH).filter((delivery) => delivery.isLive())
      try {
        await record(batch)
        for (const delivery of batch) delivery.ack()
      } catch (error) {
        if (stopping.signal.aborted) return
        logger.error({ err: error, retryInMs: RETRY_MS }, 'rows cannot be stored; trying again')
        waiting = [...batch, ...waiting]
        // Aborted is as good as over: the loop looks at the signal next.
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined)
      }
    }
    working = undefined
  }

  async function record(batch: readonly Delivery[]): Promise<void> {
    const entries: Entry[] = []
    for (const delivery of batch) {
      try {
        entries.push({ delivery, part: readRowsMessage(delivery) })
      } catch (error) {
        await buryUnlessAborted(delivery, 'invalid_message', error)
      }
    }
    await bisect(entries, {
      take: (some) => store(some.map(({ part }) => part)),
      isRefusal: (error) => databaseFailure(error) === 'rejected',
      onRefused: ({ delivery }, error) => buryUnlessAborted(delivery, 'not_recordable', error),
    })
  }

  async function store(parts: readonly RowsPart[]): Promise<void> {
    let outcome: StoredParts | undefined
    await storage.store(async (target) => {
      outcome = await target.withTransaction((query) => storeParts(query, sinks, parts))
    }, stopping.signal)
    for (const part of outcome?.stored ?? []) metrics.stored(part)
    for (const { job, taskId } of outcome?.dropped ?? []) {
      logger.warn({ job, taskId }, 'rows came for a range job that does not exist; they are dropped')
      metrics.dropped()
    }
  }

  async function buryUnlessAborted(delivery: Delivery, reason: DeadReason, error: unknown): Promise<void> {
    await unlessAborted(bury(delivery, reason, error), stopping.signal)
    metrics.buried(reason)
  }

  return {
    async start() {
      consuming ??= broker.consume({
        queue: broker.topology.resultsQueue,
        prefetch: PREFETCH,
        onDelivery(delivery) {
          waiting.push(delivery)
          working ??= work()
        },
        onLost() {
          waiting = waiting.filter((delivery) => delivery.isLive())
        },
      })
      await consuming
      isConsuming = true
    },
    isReady: () => isConsuming && !stopping.signal.aborted && storage.isAvailable(),
    async stop() {
      // A start that failed has been reported to whoever asked for it.
      const subscription = await consuming?.catch(() => undefined)
      await subscription?.pause()
      stopping.abort(new Error('the recorder of rows stops'))
      await working
      await subscription?.close()
    },
  }
}

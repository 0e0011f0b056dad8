import { setTimeout as delay } from 'node:timers/promises'

import type { Broker, Database, Logger, Metrics } from '@blockmill/core'

import { createBatchWriter } from './batch-writer.ts'
import { createBury } from './bury.ts'
import { type BatchLimits, createIntake, type Entry } from './intake.ts'
import { createRecorderMetrics } from './recorder-metrics.ts'
import { createStorage } from './storage.ts'

export interface RecorderOptions {
  readonly broker: Pick<Broker, 'consume' | 'publisher' | 'topology'>
  readonly database: Database
  readonly logger: Logger
  readonly metrics: Metrics
  /** Most deliveries that are not acked. Default 2,000: a few batches, so that the next is there when one is stored. */
  readonly prefetch?: number
  /** Default 500 messages, 20,000 rows, 8 MiB: two looks at the tasks of a back-fill meet in one batch. */
  readonly batch?: BatchLimits
  /** Shortest time between the ends of two writes that are not full. Default 20 ms. */
  readonly spacingMs?: number
  /**
   * Above so many bytes that wait, no more is taken from the broker until half of them are stored: the prefetch counts
   * messages, and those may be large. Default 64 MiB.
   */
  readonly mostWaitingBytes?: number
}

const BATCH: BatchLimits = { messages: 500, rows: 20_000, bytes: 8 * 1024 * 1024 }

/** Records what the monitor's queue holds. Several may run at once. */
export interface Recorder {
  /** Resolves when it consumes. Idempotent. */
  start(): Promise<void>
  /** True while it consumes and the database takes what it records. */
  isReady(): boolean
  /** Stores what was delivered, unless the database is unavailable; then that goes back to the queue. Idempotent. */
  stop(): Promise<void>
}

/** See `Recorder`; nothing happens before `start()`. */
export function createRecorder(options: RecorderOptions): Recorder {
  return new QueueRecorder(options)
}

const MOST_WAITING_BYTES = 64 * 1024 * 1024

/** Before a batch that could not be recorded for want of the broker is tried again. */
const RETRY_MS = 1_000

/**
 * Moves messages from the monitor's queue to PostgreSQL.
 *
 * - waiting: nothing was delivered. A delivery leads to spacing.
 * - spacing: the last write has just ended and the batch is not full. The rest of the time is waited for, so that a light
 *   load costs at most 50 transactions a second; after a pause, the first message is written at once.
 * - writing: one batch is folded and stored; further deliveries gather for the next. It lasts until the batch is stored:
 *   while the database is away nothing is acked, and the prefetch makes the broker hold back the rest.
 * - stopped: final.
 *
 * A delivery is acked only after what it says was committed, or after the dead queue has confirmed it. `#run` alone writes
 * and acks.
 */
class QueueRecorder implements Recorder {
  readonly #options: RecorderOptions
  readonly #intake
  readonly #storage
  readonly #writer
  readonly #metrics
  readonly #stopping = new AbortController()
  #arrived = Promise.withResolvers<void>()
  #spaced = Promise.withResolvers<void>()
  #lastWriteEnded = Number.NEGATIVE_INFINITY
  #writing = 0
  #isHeldBack = false
  #starting: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #running: Promise<void> | undefined
  #subscription: Awaited<ReturnType<Broker['consume']>> | undefined

  constructor(options: RecorderOptions) {
    const { database, logger, metrics, broker, batch = BATCH } = options
    this.#options = options
    this.#intake = createIntake(batch)
    this.#storage = createStorage({ database, logger, onRetry: () => this.#metrics.retried() })
    this.#writer = createBatchWriter({
      storage: this.#storage,
      bury: createBury({ broker, logger }),
      onBuried: (reason) => this.#metrics.buried(reason),
    })
    this.#metrics = createRecorderMetrics(metrics, {
      waiting: () => this.#intake.length + this.#writing,
      isAvailable: () => this.#storage.isAvailable(),
    })
  }

  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  isReady(): boolean {
    return this.#subscription !== undefined && !this.#stopping.signal.aborted && this.#storage.isAvailable()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(): Promise<void> {
    const { broker, prefetch = 2_000 } = this.#options
    this.#running = this.#run()
    this.#subscription = await broker.consume({
      queue: broker.topology.monitorQueue,
      prefetch,
      onDelivery: (delivery) => {
        this.#intake.add(delivery)
        this.#holdBack()
        this.#arrived.resolve()
        if (this.#intake.isFull()) this.#spaced.resolve()
      },
      onLost: () => this.#intake.dropStale(),
    })
  }

  async #stop(): Promise<void> {
    // A start that failed has been reported to whoever asked for it.
    await this.#starting?.catch(() => undefined)
    await this.#subscription?.pause()
    this.#stopping.abort(new Error('the recorder stops'))
    this.#arrived.resolve()
    this.#spaced.resolve()
    await this.#running
    await this.#subscription?.close()
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#intake.length === 0) {
        if (this.#stopping.signal.aborted) return
        this.#arrived = Promise.withResolvers()
        await this.#arrived.promise
        continue
      }
      await this.#space()
      const batch = this.#intake.take()
      this.#writing = batch.length
      const recorded = await this.#record(batch)
      this.#writing = 0
      this.#lastWriteEnded = performance.now()
      if (!recorded) return
      batch.at(-1)?.delivery.ackUpTo()
      this.#holdBack()
    }
  }

  #holdBack(): void {
    const { bytes } = this.#intake
    if (this.#subscription === undefined || this.#stopping.signal.aborted) return
    const { mostWaitingBytes = MOST_WAITING_BYTES } = this.#options
    if (!this.#isHeldBack && bytes > mostWaitingBytes) {
      this.#isHeldBack = true
      void this.#subscription.pause()
    } else if (this.#isHeldBack && bytes <= mostWaitingBytes / 2) {
      this.#isHeldBack = false
      void this.#subscription.resume()
    }
  }

  async #space(): Promise<void> {
    const { spacingMs = 20 } = this.#options
    const rest = spacingMs - (performance.now() - this.#lastWriteEnded)
    if (rest <= 0 || this.#intake.isFull() || this.#stopping.signal.aborted) return
    this.#spaced = Promise.withResolvers()
    const timer = setTimeout(this.#spaced.resolve, rest)
    await this.#spaced.promise
    clearTimeout(timer)
  }

  /** @returns false when the recorder was stopped before the batch could be recorded. */
  async #record(batch: readonly Entry[]): Promise<boolean> {
    const { signal } = this.#stopping
    const begun = performance.now()
    for (;;) {
      try {
        const { rows, latest } = await this.#writer.write(batch, signal)
        this.#metrics.recorded({
          messages: batch.length,
          rows,
          seconds: (performance.now() - begun) / 1_000,
          ...(latest !== undefined && { lagSeconds: Math.max(0, Date.now() - latest) / 1_000 }),
        })
        return true
      } catch (error) {
        if (signal.aborted) return false
        this.#options.logger.error({ err: error, retryInMs: RETRY_MS }, 'a batch could not be recorded; trying again')
        this.#metrics.retried()
      }
      await pause(RETRY_MS, signal)
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Aborted is as good as over: whoever waits looks at the signal next.
  await delay(ms, undefined, { signal }).catch(() => undefined)
}

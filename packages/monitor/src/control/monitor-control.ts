import { hostname } from 'node:os'

import {
  type Broker,
  type ControlMessage,
  controlMessage,
  type Database,
  LANES,
  type Listener,
  listenToControl,
  type Logger,
  publishControl,
  publishReply,
} from '@blockmill/core'

import type { Storage } from '../recorder/storage.ts'
import { forgetCancels, readCancels, readLanes, storeCancels, storeLanes } from './control-store.ts'

/** How often workers are told what is stored, in case that they missed an order. */
const REPEAT_MS = 30_000

/** Remembers operators' orders, and tells workers that start later. Several may run: they store and say the same. */
export interface MonitorControl {
  /** Resolves when it listens. Idempotent. */
  start(): Promise<void>
  /** Idempotent. Orders that could not be stored yet, because the database is away, are dropped. */
  stop(): Promise<void>
}

export interface MonitorControlOptions {
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'listen'>
  readonly database: Database
  /** Stores until it is stored. */
  readonly storage: Storage
  readonly logger: Logger
  readonly now: () => Date
  /** Default 30 s. */
  readonly repeatMs?: number
}

export function createMonitorControl(options: MonitorControlOptions): MonitorControl {
  return new ControlMemory(options)
}

/**
 * - listening: orders are stored one after the other, and answered when they are stored. What is stored is told when a worker
 *   asks, and from time to time; while it is being told, further questions are answered together.
 * - stopped: final.
 */
class ControlMemory implements MonitorControl {
  readonly #options
  readonly #name = `monitor-${hostname()}-${process.pid}`
  readonly #stopping = new AbortController()
  #storing: Promise<void> = Promise.resolve()
  #telling: Promise<void> | undefined
  #isAskedAgain = false
  #timer: NodeJS.Timeout | undefined
  #starting: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #listener: Listener | undefined

  constructor(options: MonitorControlOptions) {
    this.#options = options
  }

  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(): Promise<void> {
    const { broker, logger, repeatMs = REPEAT_MS } = this.#options
    this.#listener = await listenToControl(broker, { logger, onMessage: (message) => this.#onMessage(message) })
    this.#timer = setInterval(() => this.#tell(), repeatMs)
    this.#tell()
  }

  async #stop(): Promise<void> {
    // A start that failed has been reported to whoever asked for it.
    await this.#starting?.catch(() => undefined)
    clearInterval(this.#timer)
    this.#stopping.abort(new Error('the monitor stops'))
    await this.#listener?.close()
    await Promise.all([this.#storing, this.#telling])
  }

  #onMessage(message: ControlMessage): void {
    switch (message.type) {
      case 'cancel':
      case 'pause':
      case 'resume':
        this.#storing = this.#storing.then(() => this.#store(message)).catch((error: unknown) => this.#failed(error))
        break
      case 'sync':
        this.#tell()
        break
      case 'stats':
        this.#answerStats(message).catch((error: unknown) => this.#failed(error))
        break
      case 'ping':
        this.#answer(message).catch((error: unknown) => this.#failed(error))
        break
      case 'shutdown':
      case 'state':
        // For workers.
        break
    }
  }

  async #store(message: ControlMessage & { type: 'cancel' | 'pause' | 'resume' }): Promise<void> {
    const { storage, logger } = this.#options
    await storage.store(({ query }) => {
      const { sentAt, by } = message
      if (message.type === 'cancel') {
        const requests = message.taskIds.map((taskId) => ({ taskId, requestedAt: sentAt, requestedBy: by }))
        return storeCancels(query, requests)
      }
      const { queue, lane, type } = message
      const state = { queue, paused: type === 'pause', changedAt: sentAt, changedBy: by }
      return storeLanes(
        query,
        (lane === undefined ? LANES : [lane]).map((each) => ({ ...state, lane: each })),
      )
    }, this.#stopping.signal)
    const about = message.type === 'cancel' ? { tasks: message.taskIds.length } : { queue: message.queue }
    logger.info({ order: message.type, by: message.by, ...about }, 'order of an operator stored')
    await this.#answer(message)
  }

  async #answer(message: ControlMessage): Promise<void> {
    await publishReply(this.#options.broker, message, { type: 'monitor', v: 1, id: message.id, from: this.#name })
  }

  async #answerStats(message: ControlMessage): Promise<void> {
    const { broker, database } = this.#options
    const lanes = await readLanes(database.query)
    await publishReply(broker, message, { type: 'monitor-stats', v: 1, id: message.id, from: this.#name, lanes })
  }

  #tell(): void {
    if (this.#stopping.signal.aborted) return
    if (this.#telling !== undefined) {
      this.#isAskedAgain = true
      return
    }
    this.#isAskedAgain = false
    this.#telling = this.#tellState()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#telling = undefined
        if (this.#isAskedAgain) this.#tell()
      })
  }

  async #tellState(): Promise<void> {
    const { broker, database, now } = this.#options
    await forgetCancels(database.query, now())
    const lanes = await readLanes(database.query)
    const cancelled = await readCancels(database.query, now())
    const state = { type: 'state' as const, lanes, cancelled }
    await publishControl(broker, controlMessage(state, { by: this.#name, nowMs: now().getTime() }))
  }

  #failed(error: unknown): void {
    if (this.#stopping.signal.aborted) return
    this.#options.logger.warn({ err: error }, 'workers could not be told, or an order could not be answered')
  }
}

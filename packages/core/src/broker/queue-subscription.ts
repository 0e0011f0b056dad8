import { setTimeout as delay } from 'node:timers/promises'

import type { Channel, ChannelModel } from 'amqplib'

import { BlockmillError, ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { replyCode } from './broker-refusal.ts'
import { ConsumerChannel } from './consumer-channel.ts'
import type { ConsumeOptions, Subscription } from './consumer.ts'
import { type ReconnectRange, reconnectDelay } from '../service/reconnect-delay.ts'

/** @internal */
export interface QueueSubscriptionOptions extends ConsumeOptions {
  readonly logger: Logger
  readonly reconnect: ReconnectRange
  /** A number in [0, 1). */
  readonly random: () => number
  /** The consuming connection while it is open. */
  readonly connection: () => ChannelModel | undefined
  /** Declares again all that was declared, because the queue may have been deleted. */
  readonly redeclare: () => Promise<void>
  /** Declares on every new channel a queue that lives no longer than its connection; its name. Default: `queue` is there. */
  readonly declareQueue?: (channel: Channel) => Promise<string>
  /** Called each time it begins to consume. */
  readonly onConsuming?: () => void
  /** Called once, when `close()` begins. */
  readonly onClose: () => void
}

/** AMQP carries it in 16 bits. */
const MAX_PREFETCH = 65_535

/** So many failures in a row may come of a connection that ends, which is logged elsewhere; a further one has another reason. */
const UNEXPLAINED_FAILURES = 2

/**
 * A consumer that survives. What is wanted (consuming or paused, with which prefetch, or closed) is set by the caller; one
 * loop brings about what is wanted, whatever state the channel is in.
 *
 * - waiting for a connection: none is open; `connectionOpened()` wakes the loop.
 * - consuming: a channel is open and its consumer runs. A lost channel or a cancel by the broker leads to backing off.
 * - paused: the channel may be open, so that deliveries can still be settled, but has no consumer. A channel that is lost
 *   now is opened again when consuming is wanted.
 * - backing off: after a jittered delay the topology is declared again, and consuming is tried again.
 * - closed: final.
 *
 * `#run` alone opens and closes channels.
 */
export class QueueSubscription implements Subscription {
  readonly queue: string
  readonly #options: QueueSubscriptionOptions
  readonly #firstConsuming = Promise.withResolvers<void>()
  readonly #running: Promise<void>
  #prefetch: number
  #wanted: 'consuming' | 'paused' | 'closed' = 'consuming'
  #channel: ConsumerChannel | undefined
  #changed = Promise.withResolvers<void>()
  #callers: PromiseWithResolvers<void>[] = []
  /** Failures in a row; more than 0 while backing off. */
  #failures = 0
  #mustBackOff = false
  /** Why the channel was lost; `undefined` when its connection ended, which is logged and healed elsewhere. */
  #reason: string | undefined

  constructor(options: QueueSubscriptionOptions) {
    this.queue = options.queue
    assertPrefetch(options.prefetch)
    this.#options = options
    this.#prefetch = options.prefetch
    this.#firstConsuming.promise.catch(() => {
      // Reported by whoever awaits `consuming`.
    })
    this.#running = this.#run()
  }

  /** Resolves when it consumes for the first time; rejects when it is closed before. */
  get consuming(): Promise<void> {
    return this.#firstConsuming.promise
  }

  async setPrefetch(prefetch: number): Promise<void> {
    assertPrefetch(prefetch)
    this.#prefetch = prefetch
    await this.#change()
  }

  pause(): Promise<void> {
    if (this.#wanted === 'consuming') this.#wanted = 'paused'
    return this.#change()
  }

  resume(): Promise<void> {
    if (this.#wanted === 'paused') this.#wanted = 'consuming'
    return this.#change()
  }

  async close(): Promise<void> {
    if (this.#wanted !== 'closed') {
      this.#wanted = 'closed'
      this.#options.onClose()
      this.#changed.resolve()
    }
    await this.#running
  }

  /** Tells that the consuming connection is open again. */
  connectionOpened(): void {
    this.#changed.resolve()
  }

  /** Resolves when the loop has dealt with the change, or cannot for want of a connection: then it will, once there is one. */
  async #change(): Promise<void> {
    if (this.#isClosed) return
    const caller = Promise.withResolvers<void>()
    this.#callers.push(caller)
    this.#changed.resolve()
    await caller.promise
  }

  get #isClosed(): boolean {
    return this.#wanted === 'closed'
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#mustBackOff) await this.#backOff()
      this.#changed = Promise.withResolvers()
      const callers = this.#callers.splice(0)
      try {
        await this.#apply()
      } catch (error) {
        this.#failed(error)
      }
      for (const caller of callers) caller.resolve()
      // `close()` during the back-off resolved the promise before this one.
      if (!this.#mustBackOff && !this.#isClosed) await this.#changed.promise
    }
    for (const caller of this.#callers) caller.resolve()
    await this.#channel?.close()
    this.#firstConsuming.reject(
      new RetryableError('BROKER_UNREACHABLE', `Consuming queue "${this.queue}" ended before it began.`),
    )
  }

  async #apply(): Promise<void> {
    const connection = this.#options.connection()
    if (connection === undefined) return
    const prefetch = this.#wanted === 'consuming' ? this.#prefetch : 0
    if (this.#channel === undefined) {
      if (prefetch === 0) return
      if (this.#reason !== undefined) await this.#options.redeclare()
      this.#channel = await this.#openChannel(connection)
    }
    const channel = this.#channel
    if (channel.consuming === prefetch) return
    await channel.cancel()
    if (prefetch === 0) return
    await channel.consume(prefetch)
    this.#failures = 0
    this.#reason = undefined
    this.#firstConsuming.resolve()
    this.#options.onConsuming?.()
  }

  async #openChannel(connection: ChannelModel): Promise<ConsumerChannel> {
    const { logger, onDelivery, onLost, declareQueue } = this.#options
    const channel = await connection.createChannel()
    // A refused declaration is thrown by its operation; without a listener the event would end the connection.
    channel.on('error', () => {})
    return new ConsumerChannel({
      channel,
      queue: (await declareQueue?.(channel)) ?? this.queue,
      logger,
      onDelivery,
      onLost: (reason) => {
        this.#channel = undefined
        this.#lost(reason)
        this.#changed.resolve()
        onLost?.()
      },
    })
  }

  /** The channel is of no more use, even if its `close` event was missed because nobody listened yet. */
  #failed(error: unknown): void {
    const isTelling = replyCode(error) !== undefined || error instanceof BlockmillError
    this.#lost(isTelling || this.#failures >= UNEXPLAINED_FAILURES ? describe(error) : undefined)
    const channel = this.#channel
    if (channel === undefined) return
    this.#channel = undefined
    void channel.close()
    this.#options.onLost?.()
  }

  #lost(reason: string | undefined): void {
    this.#mustBackOff = true
    this.#reason ??= reason
  }

  /** Waits until it is time to try again, or something changes. */
  async #backOff(): Promise<void> {
    this.#mustBackOff = false
    this.#failures += 1
    const retryInMs = reconnectDelay(this.#options.reconnect, this.#failures, this.#options.random())
    if (this.#reason !== undefined) {
      this.#options.logger.warn(
        { queue: this.queue, reason: this.#reason, failures: this.#failures, retryInMs },
        'Queue is not consumed; trying again',
      )
    }
    this.#changed = Promise.withResolvers()
    const waiting = new AbortController()
    const elapsed = delay(retryInMs, undefined, { signal: waiting.signal }).catch(() => {
      // Something changed first.
    })
    await Promise.race([this.#changed.promise, elapsed])
    waiting.abort()
  }
}

/** AMQP takes 0 for "no limit", which nobody wants by accident. */
function assertPrefetch(prefetch: number): void {
  if (Number.isInteger(prefetch) && prefetch >= 1 && prefetch <= MAX_PREFETCH) return
  throw new ConfigurationError(
    'CONFIG_INVALID',
    `The prefetch is ${prefetch}; it must be a whole number from 1 to ${MAX_PREFETCH}.`,
  )
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

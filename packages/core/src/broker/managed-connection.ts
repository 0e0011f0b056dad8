import type { Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

import { type ChannelModel, connect } from 'amqplib'

import { type BlockmillError, ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { connectRefusal } from './broker-refusal.ts'
import type { BrokerUrl } from './broker-url.ts'
import { gatherWrites } from './gather-writes.ts'
import { readTlsOptions } from './tls-options.ts'
import { type ReconnectRange, reconnectDelay } from '../service/reconnect-delay.ts'

/** What a connection is for. */
export type ConnectionRole = 'publish' | 'consume'

/** @internal */
export interface ManagedConnectionOptions {
  readonly url: BrokerUrl
  readonly role: ConnectionRole
  /** Shown by the broker's management pages. */
  readonly name: string
  readonly logger: Logger
  readonly reconnect: ReconnectRange
  /** A number in [0, 1). */
  readonly random: () => number
  /** Longest wait for the socket, and between two answers of the handshake. */
  readonly connectTimeoutMs: number
  /** Longest duration of `setUp`. */
  readonly setUpTimeoutMs: number
  /**
   * Runs on each new connection before it counts as open. It must use the connection: a connection that ended before
   * anybody could listen is noticed by the first operation on it. When it fails, the connection is given up and tried again.
   */
  readonly setUp: (connection: ChannelModel) => Promise<void>
  /** The connection is open and set up. */
  readonly onOpen?: () => void
  /** The connection ended after `setUp` had begun. */
  readonly onLost?: () => void
  /** The broker ran out of memory or disk and reads nothing more from this connection, or reads again. */
  readonly onBlocked?: (blocked: boolean) => void
}

/** One connection while it lives. */
interface Session {
  readonly connection: ChannelModel
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<Error>
}

const CLOSE_TIMEOUT_MS = 5_000

/**
 * One connection to the broker that comes back. The AMQP library's own recovery is not used: it misses a close during
 * set-up and leaves an error during set-up uncaught.
 *
 * - `idle`: made, not started. `start()` leads to `connecting`.
 * - `connecting`: the socket is opened, the handshake done, `setUp` run. Success leads to `open`; failure to `waiting`, or
 *   to `closed` when the very first connect is refused for a reason that only a person can put right.
 * - `open`: in use. Ends when the peer closes it, when two heartbeats are missed, or by `drop()`; then `waiting`.
 * - `waiting`: a jittered delay, then `connecting`.
 * - `closed`: after `stop()`, or a refusal at the start. Final.
 *
 * `#run` alone changes the mode.
 */
export class ManagedConnection {
  readonly #options: ManagedConnectionOptions
  readonly #logger: Logger
  readonly #stopping = new AbortController()
  readonly #firstOpen = unwatched<void>()
  #nextOpen = unwatched<ChannelModel>()
  #mode: 'idle' | 'connecting' | 'open' | 'waiting' | 'closed' = 'idle'
  #connection: ChannelModel | undefined
  /** Aborting it destroys the socket, also in the middle of the handshake. */
  #socket = new AbortController()
  #running: Promise<void> | undefined
  #timesOpened = 0
  #isBlocked = false

  constructor(options: ManagedConnectionOptions) {
    this.#options = options
    this.#logger = options.logger.child({ role: options.role, url: options.url.redacted })
  }

  /** The connection while it is open and set up. */
  get connection(): ChannelModel | undefined {
    return this.#mode === 'open' && !this.#stopping.signal.aborted ? this.#connection : undefined
  }

  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** How often it was open again after it had been lost. */
  get reconnects(): number {
    return Math.max(0, this.#timesOpened - 1)
  }

  /**
   * Resolves when the connection is open for the first time. Idempotent.
   *
   * @throws ConfigurationError when the first connect is refused; RetryableError `BROKER_UNREACHABLE` when it was stopped
   * before it was open.
   */
  start(): Promise<void> {
    this.#running ??= this.#run()
    return this.#firstOpen.promise
  }

  /**
   * The connection, as soon as it is open.
   *
   * @throws RetryableError `BROKER_UNREACHABLE` when it is stopped.
   */
  opened(): Promise<ChannelModel> {
    return this.#nextOpen.promise
  }

  /** Ends the connection at once, without the closing handshake: what helps against a peer that no longer answers. */
  drop(reason: Error): void {
    this.#socket.abort(reason)
  }

  /** Closes the connection with the closing handshake, for at most this time; default 5 s. Idempotent. */
  async stop(timeoutMs: number = CLOSE_TIMEOUT_MS): Promise<void> {
    this.#stopping.abort()
    this.#refuse(new RetryableError('BROKER_UNREACHABLE', 'The broker client was stopped.'))
    const timer = setTimeout(() => {
      this.drop(new Error('the broker did not answer the closing handshake'))
    }, timeoutMs)
    // A connection that ends by itself at the same moment has reached the same goal.
    if (this.#mode === 'open') await Promise.race([this.#running, this.#connection?.close().catch(() => {})])
    else this.drop(new Error('the broker client was stopped'))
    await this.#running
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    const { reconnect, random, onOpen, onLost } = this.#options
    for (let failures = 0; !this.#stopping.signal.aborted;) {
      let reason: unknown
      let message = 'Broker connection failed; trying again'
      this.#mode = 'connecting'
      try {
        const { connection, ended } = await this.#open()
        this.#connection = connection
        this.#mode = 'open'
        this.#timesOpened += 1
        this.#logger.info(failures === 0 ? 'Broker connection open' : 'Broker connection open again')
        failures = 0
        message = 'Broker connection lost; connecting again'
        this.#firstOpen.resolve()
        this.#nextOpen.resolve(connection)
        onOpen?.()
        reason = await ended
      } catch (error) {
        reason = error
      }
      this.#mode = 'waiting'
      this.#isBlocked = false
      if (this.#connection !== undefined && !this.#stopping.signal.aborted) this.#nextOpen = unwatched()
      this.#connection = undefined
      onLost?.()
      if (this.#stopping.signal.aborted) break

      const refusal = reason instanceof ConfigurationError ? reason : connectRefusal(reason, this.#options.url)
      if (refusal !== undefined && this.#timesOpened === 0) {
        this.#refuse(refusal)
        break
      }
      failures += 1
      const retryInMs = reconnectDelay(reconnect, failures, random())
      this.#logger.warn({ reason: describe(refusal ?? reason), failures, retryInMs }, message)
      await this.#wait(retryInMs)
    }
    this.#mode = 'closed'
  }

  /** Nobody will get a connection any more. */
  #refuse(reason: BlockmillError): void {
    this.#firstOpen.reject(reason)
    // Those who wait, and, in place of one that may be resolved with a dead connection, those who will.
    this.#nextOpen.reject(reason)
    this.#nextOpen = unwatched()
    this.#nextOpen.reject(reason)
  }

  async #open(): Promise<Session> {
    const { url, name, connectTimeoutMs, setUpTimeoutMs, setUp } = this.#options
    const socket = new AbortController()
    this.#socket = socket
    const socketOptions = {
      noDelay: true,
      timeout: connectTimeoutMs,
      clientProperties: { connection_name: name },
      // For the socket's constructor. The library itself has no way to end a connection whose peer is silent.
      signal: socket.signal,
      ...readTlsOptions(url.tls),
    }
    const connection = await connect(url.connect, socketOptions)
    const ended = this.#listen(connection, socket.signal)
    const timer = setTimeout(() => {
      socket.abort(new Error(`declaring and opening channels took longer than ${setUpTimeoutMs} ms`))
    }, setUpTimeoutMs)
    try {
      // The library's types keep its socket to themselves.
      gatherWrites((connection.connection as unknown as { readonly stream: Writable }).stream)
      const failed = ended.then((reason) => {
        throw reason
      })
      await Promise.race([setUp(connection), failed])
      return { connection, ended }
    } catch (error) {
      socket.abort(error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #listen(connection: ChannelModel, dropped: AbortSignal): Promise<Error> {
    let failure: Error | undefined
    connection.on('error', (error) => {
      failure = error
    })
    connection.on('blocked', (reason) => {
      this.#logger.warn({ reason }, 'Broker blocked publishing')
      this.#setBlocked(true)
    })
    connection.on('unblocked', () => {
      this.#logger.info('Broker unblocked publishing')
      this.#setBlocked(false)
    })
    return new Promise((resolve) => {
      connection.on('close', (error) => {
        const reason: unknown = dropped.aborted ? dropped.reason : (error ?? failure)
        resolve(reason instanceof Error ? reason : new Error('the connection was closed'))
      })
    })
  }

  #setBlocked(blocked: boolean): void {
    this.#isBlocked = blocked
    this.#options.onBlocked?.(blocked)
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => {
      // Stopped while waiting: the loop's condition ends it.
    })
  }
}

/** A promise whose rejection goes to those who wait for it, and need not be waited for. */
function unwatched<Value>(): PromiseWithResolvers<Value> {
  const resolvers = Promise.withResolvers<Value>()
  resolvers.promise.catch(() => {})
  return resolvers
}

function describe(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason)
  // A failure to reach any address of a host has no text of its own.
  if (reason instanceof AggregateError) return reason.errors.map(describe).join('; ')
  return reason.message
}

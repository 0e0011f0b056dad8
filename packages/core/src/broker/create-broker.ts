import { setImmediate as turn } from 'node:timers/promises'

import type { ChannelModel } from 'amqplib'

import { BlockmillError, RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { registerBrokerMetrics } from './broker-metrics.ts'
import { parseBrokerUrl } from './broker-url.ts'
import type { Broker, QueueDepth } from './broker.ts'
import { ConfirmPublisher } from './confirm-publisher.ts'
import type { ConsumeOptions, Subscription } from './consumer.ts'
import { type Declaration, declarationKey, declareOn, listDeclarations } from './declare.ts'
import { declareListenerQueue, type Listener, LISTENER_PREFETCH, type ListenOptions } from './listener.ts'
import { type ConnectionRole, ManagedConnection } from './managed-connection.ts'
import { purgeQueue, queueDepth } from './queue-depth.ts'
import { QueueSubscription, type QueueSubscriptionOptions } from './queue-subscription.ts'
import { RECONNECT_RANGE, type ReconnectRange } from '../service/reconnect-delay.ts'
import type { Declarations, Topology } from './topology.ts'

/** What a broker client needs. */
export interface BrokerOptions {
  /**
   * `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS. `?heartbeat=<seconds>` replaces the heartbeat of 20 s.
   */
  readonly url: string
  readonly topology: Topology
  readonly logger: Logger
  /** Where the client's metrics are registered. One client per registry. Default none. */
  readonly metrics?: Metrics
  /** Shown by the broker's management pages, with the connection's role. */
  readonly connectionName: string
  /** Most messages that are sent and not confirmed. Default 1000. */
  readonly window?: number
  /** A message not confirmed within this time is published again on a new connection. Default 30 s. */
  readonly confirmTimeoutMs?: number
  /** Bounds of the wait before connecting again. Default 200 ms to 15 s. */
  readonly reconnect?: ReconnectRange
  /** Longest wait for the socket and for each answer of the handshake. Default 10 s. */
  readonly connectTimeoutMs?: number
  /** Longest wait of `stop()` for confirms, and for the broker's answers. Default 10 s. */
  readonly stopTimeoutMs?: number
  /** A number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * A client of RabbitMQ on two connections: publishing must not be held up by what is consumed, and the broker stops
 * reading from connections that publish when it is short of memory.
 *
 * @throws ConfigurationError `CONFIG_INVALID` when the URL cannot be read.
 */
export function createBroker(options: BrokerOptions): Broker {
  return new AmqpBroker(options)
}

const SET_UP_TIMEOUT_MS = 30_000
/** For each further answer of a broker that has not given one in its time. */
const SILENT_MS = 500

class AmqpBroker implements Broker {
  readonly topology: Topology
  readonly publisher: ConfirmPublisher
  readonly #options: BrokerOptions
  readonly #logger: Logger
  readonly #reconnect: ReconnectRange
  readonly #random: () => number
  readonly #connections: Readonly<Record<ConnectionRole, ManagedConnection>>
  readonly #subscriptions = new Set<QueueSubscription>()
  readonly #base: readonly Declaration[]
  /** What was declared besides so far, to be declared again on every new connection. */
  readonly #declared = new Map<string, Declaration>()
  #declaring: Promise<void> = Promise.resolve()
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: BrokerOptions) {
    const { topology, logger, metrics, window = 1_000, confirmTimeoutMs = 30_000 } = options
    this.topology = topology
    this.#options = options
    this.#logger = logger.child({ part: 'broker' })
    this.#reconnect = options.reconnect ?? RECONNECT_RANGE
    this.#random = options.random ?? Math.random
    this.publisher = new ConfirmPublisher({
      logger: this.#logger,
      window,
      confirmTimeoutMs,
      onBroken: (reason) => {
        this.#connections.publish.drop(reason)
      },
    })
    this.#connections = { consume: this.#consuming(), publish: this.#publishing() }
    this.#base = listDeclarations(topology.base())
    if (metrics !== undefined) registerBrokerMetrics(metrics, this.#connections, this.publisher)
  }

  start(signal?: AbortSignal): Promise<void> {
    this.#starting ??= this.#start(signal)
    return this.#starting
  }

  declare(declarations: Declarations): Promise<void> {
    // One after the other, so that nobody is told "declared already" while that is still under way.
    const declared = this.#declaring.then(() => this.#declareMissing(declarations))
    this.#declaring = declared.catch(() => {
      // Reported to the caller; the next one is not concerned.
    })
    return declared
  }

  consume(options: ConsumeOptions): Promise<Subscription> {
    return this.#subscribe(options)
  }

  listen({ exchange, pattern, onMessage, onListening }: ListenOptions): Promise<Listener> {
    return this.#subscribe({
      queue: exchange,
      prefetch: LISTENER_PREFETCH,
      declareQueue: (channel) => declareListenerQueue(channel, { exchange, ...(pattern !== undefined && { pattern }) }),
      onDelivery(delivery) {
        delivery.ack()
        onMessage(delivery)
      },
      ...(onListening !== undefined && { onConsuming: onListening }),
    })
  }

  async #subscribe(
    options: ConsumeOptions & Pick<QueueSubscriptionOptions, 'declareQueue' | 'onConsuming'>,
  ): Promise<Subscription> {
    if (this.#stopping !== undefined) {
      throw new RetryableError(
        'BROKER_UNREACHABLE',
        `The broker client was stopped before it could consume "${options.queue}".`,
      )
    }
    const subscription: QueueSubscription = new QueueSubscription({
      ...options,
      logger: this.#logger,
      reconnect: this.#reconnect,
      random: this.#random,
      connection: () => this.#connections.consume.connection,
      redeclare: async () => {
        await this.#declareAll(await this.#connections.consume.opened())
      },
      onClose: () => {
        this.#subscriptions.delete(subscription)
      },
    })
    this.#subscriptions.add(subscription)
    await subscription.consuming
    return subscription
  }

  depth(queue: string): Promise<QueueDepth | undefined> {
    return queueDepth(this.#connections.consume.connection, queue)
  }

  purge(queue: string): Promise<number | undefined> {
    return purgeQueue(this.#connections.consume.connection, queue)
  }

  isReady(): boolean {
    const { consume, publish } = this.#connections
    const isOpen = consume.connection !== undefined && publish.connection !== undefined
    return isOpen && !publish.isBlocked && this.#stopping === undefined
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => void this.stop()
    signal?.throwIfAborted()
    signal?.addEventListener('abort', abort)
    try {
      // The consuming connection first: what the publisher publishes to is declared by then.
      await this.#connections.consume.start()
      await this.#connections.publish.start()
    } catch (error) {
      await this.stop()
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async #stop(): Promise<void> {
    const { consume, publish } = this.#connections
    const { stopTimeoutMs = 10_000 } = this.#options
    const subscriptions = [...this.#subscriptions]
    let isSilent = false
    const atMost = async (work: Promise<unknown>): Promise<void> => {
      // A broker that does not answer must not keep the process from stopping.
      const timer = setTimeout(() => {
        isSilent = true
        consume.drop(new Error(`the broker did not answer within ${stopTimeoutMs} ms`))
      }, stopTimeoutMs)
      await work
      clearTimeout(timer)
    }
    await atMost(Promise.all(subscriptions.map((subscription) => subscription.pause())))
    // Both connections lead to the same broker, but only one of them may have failed.
    const silentMs = Math.min(SILENT_MS, stopTimeoutMs)
    const { failed } = this.publisher
    await this.publisher.stop(isSilent ? silentMs : stopTimeoutMs)
    isSilent ||= this.publisher.failed > failed
    // Those who waited for the last confirms ack now what they published for.
    await turn()
    await atMost(Promise.all(subscriptions.map((subscription) => subscription.close())))
    const closeMs = isSilent ? silentMs : stopTimeoutMs
    await Promise.all([consume.stop(closeMs), publish.stop(closeMs)])
  }

  #consuming(): ManagedConnection {
    return new ManagedConnection({
      ...this.#connectionOptions('consume'),
      setUp: (connection) => this.#declareAll(connection),
      onOpen: () => {
        for (const subscription of this.#subscriptions) subscription.connectionOpened()
      },
    })
  }

  #publishing(): ManagedConnection {
    return new ManagedConnection({
      ...this.#connectionOptions('publish'),
      setUp: async (connection) => {
        // Declared here too: after a restart of the broker this connection may be the first, and nothing published may get lost.
        await this.#declareAll(connection)
        this.publisher.attach(await connection.createConfirmChannel())
      },
      onLost: () => {
        this.publisher.detach()
      },
      onBlocked: (blocked) => {
        this.publisher.setBlocked(blocked)
      },
    })
  }

  #connectionOptions(role: ConnectionRole) {
    const { url, connectionName, connectTimeoutMs = 10_000 } = this.#options
    return {
      role,
      url: parseBrokerUrl(url),
      name: `${connectionName} (${role})`,
      logger: this.#logger,
      reconnect: this.#reconnect,
      random: this.#random,
      connectTimeoutMs,
      setUpTimeoutMs: SET_UP_TIMEOUT_MS,
    }
  }

  async #declareAll(connection: ChannelModel): Promise<void> {
    // Apart: a service may be allowed its own queues, but not those of others.
    await declareOn(connection, this.#base)
    if (this.#declared.size > 0) await declareOn(connection, this.#declared.values())
  }

  #remember(declarations: Declarations): ReadonlyMap<string, Declaration> {
    const missing = new Map<string, Declaration>()
    for (const declaration of listDeclarations(declarations)) {
      const key = declarationKey(declaration)
      if (!this.#declared.has(key)) missing.set(key, declaration)
    }
    for (const [key, declaration] of missing) this.#declared.set(key, declaration)
    return missing
  }

  async #declareMissing(declarations: Declarations): Promise<void> {
    const missing = this.#remember(declarations)
    // Before the start it is enough to remember them.
    if (missing.size === 0 || this.#starting === undefined) return
    for (;;) {
      const connection = await this.#connections.consume.opened()
      try {
        await declareOn(connection, missing.values())
        return
      } catch (error) {
        if (error instanceof BlockmillError) {
          for (const key of missing.keys()) this.#declared.delete(key)
          throw error
        }
        // The connection ended. The next one declares all that is remembered; declaring it once more does no harm.
        await turn()
      }
    }
  }
}

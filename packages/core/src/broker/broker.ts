import type { ConsumeOptions, Subscription } from './consumer.ts'
import type { Listener, ListenOptions } from './listener.ts'
import type { Publisher } from './publisher.ts'
import type { Declarations, Topology } from './topology.ts'

/** What a queue holds, as the broker counts it. */
export interface QueueDepth {
  /** Messages ready to be delivered. */
  readonly messages: number
  readonly consumers: number
}

/** The broker as a service sees it: one connection for publishing, one for consuming, both restored when they break. */
export interface Broker {
  readonly topology: Topology
  readonly publisher: Publisher
  /**
   * Connects and declares the base topology. Tries again, with one log line for each failure, until it succeeds or the
   * signal aborts. Idempotent.
   *
   * @throws ConfigurationError `BROKER_REFUSED` for wrong credentials or a missing virtual host,
   * `BROKER_TOPOLOGY_MISMATCH` when something exists with other arguments.
   */
  start(signal?: AbortSignal): Promise<void>
  /**
   * Declares, now and after every reconnect. What is declared already costs nothing. Before the start it is only remembered;
   * while there is no connection it waits for one.
   *
   * @throws ConfigurationError `BROKER_TOPOLOGY_MISMATCH` or `BROKER_REFUSED` naming what the broker refused, which is then
   * forgotten; RetryableError `BROKER_UNREACHABLE` when the client stops first.
   */
  declare(declarations: Declarations): Promise<void>
  /**
   * Resolves when the queue is consumed for the first time; tries again until it can be, with one log line for each failure.
   *
   * @throws ConfigurationError `CONFIG_INVALID` for a prefetch outside 1 to 65535; RetryableError `BROKER_UNREACHABLE` when
   * the client stops first.
   */
  consume(options: ConsumeOptions): Promise<Subscription>
  /**
   * Hears what is published to an exchange from now on, through an exclusive queue that ends with its connection and is
   * made again on the next. Nothing is kept for a listener: what is published while there is no connection is missed.
   * Resolves when it listens for the first time.
   *
   * @throws RetryableError `BROKER_UNREACHABLE` when the client stops first.
   */
  listen(options: ListenOptions): Promise<Listener>
  /**
   * Depth of a queue; `undefined` when it does not exist.
   *
   * @throws RetryableError `BROKER_UNREACHABLE` when there is no connection.
   */
  depth(queue: string): Promise<QueueDepth | undefined>
  /**
   * Drops the messages that are ready in a queue; those that consumers hold stay. Returns how many there were; `undefined`
   * when the queue does not exist.
   *
   * @throws RetryableError `BROKER_UNREACHABLE` when there is no connection.
   */
  purge(queue: string): Promise<number | undefined>
  /** True while both connections are open and publishing is not blocked by a broker alarm. */
  isReady(): boolean
  /**
   * Stops deliveries, waits until everything published is confirmed, for at most 10 s by default, and closes both
   * connections. Also when the start never succeeded. Idempotent, and final: a stopped client does not start again.
   */
  stop(): Promise<void>
}

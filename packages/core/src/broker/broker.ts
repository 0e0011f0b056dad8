import type { ConsumeOptions, Subscription } from './consumer.ts'
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
  /** Declares, now and after every reconnect. What is declared already costs nothing. */
  declare(declarations: Declarations): Promise<void>
  consume(options: ConsumeOptions): Promise<Subscription>
  /** Depth of a queue; `undefined` when it does not exist. */
  depth(queue: string): Promise<QueueDepth | undefined>
  /** True while both connections are open and publishing is not blocked by a broker alarm. */
  isReady(): boolean
  /** Waits until everything published is confirmed, then closes both connections. Idempotent. */
  stop(): Promise<void>
}

import { randomUUID } from 'node:crypto'

import type { Channel } from 'amqplib'

import type { Delivery } from './consumer.ts'

/** What to hear of an exchange. */
export interface ListenOptions {
  readonly exchange: string
  /** Routing keys to hear, as topic exchanges match them. Default `#`: all. */
  readonly pattern?: string
  /** Called for each message, in order. Must not throw. There is nothing to settle. */
  readonly onMessage: (message: HeardMessage) => void
  /** Called whenever it listens anew: what was published since the connection broke was missed. */
  readonly onListening?: () => void
}

/** A message that was heard. */
export type HeardMessage = Pick<Delivery, 'body' | 'type' | 'messageId' | 'exchange' | 'routingKey'>

/** Hears what is published from now on. Survives reconnects, but not what is published meanwhile. */
export interface Listener {
  /** Stops listening; its queue is gone. Idempotent. */
  close(): Promise<void>
}

/** Heard messages are dealt with at once, so this only bounds what is on its way. */
export const LISTENER_PREFETCH = 100

/**
 * Declares a queue that lives as long as its connection, bound to the exchange.
 *
 * Each gets a name of its own: after a broken connection the broker may hold on to the old one for a while, and it is locked
 * for that long. The name stands under the exchange's and not under `amq.gen-`, so that the permissions of the broker's
 * user may be limited to one namespace.
 *
 * @returns its name.
 */
export async function declareListenerQueue(
  channel: Channel,
  { exchange, pattern = '#' }: Pick<ListenOptions, 'exchange' | 'pattern'>,
): Promise<string> {
  const { queue } = await channel.assertQueue(`${exchange}.${randomUUID()}`, {
    durable: false,
    exclusive: true,
    autoDelete: true,
  })
  await channel.bindQueue(queue, exchange, pattern)
  return queue
}

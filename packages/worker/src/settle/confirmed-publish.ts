import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger, OutgoingMessage, Publisher } from '@blockmill/core'

/** Pause before a message that the broker refused is published again. */
const RETRY_MS = 1_000

/** Publishes until the broker has confirmed; rejects only when the signal is aborted. */
export type ConfirmedPublish = (message: OutgoingMessage, prepare?: () => Promise<void>) => Promise<void>

export interface ConfirmedPublishOptions {
  readonly publisher: Publisher
  readonly logger: Logger
  /** Ends all waiting: the worker stops and leaves the deliveries to others. */
  readonly signal: AbortSignal
  readonly retryMs?: number
}

/**
 * The publisher survives reconnects by itself, but a broker that is open may still refuse: a queue that was deleted, a disk
 * that is full. The delivery that the message settles stays unacked meanwhile, so the prefetch slows the worker down.
 */
export function createConfirmedPublish({
  publisher,
  logger,
  signal,
  retryMs = RETRY_MS,
}: ConfirmedPublishOptions): ConfirmedPublish {
  return async function publishConfirmed(message, prepare): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      try {
        await prepare?.()
        await publisher.publish(message)
        return
      } catch (error) {
        const { exchange, routingKey } = message
        logger.warn({ err: error, exchange, routingKey, retryMs }, 'the broker did not take a message; trying again')
        await sleep(retryMs, undefined, { signal })
      }
    }
  }
}

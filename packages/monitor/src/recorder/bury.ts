import { type Broker, DEAD_HEADERS, type DeadReason, type Delivery, type Logger } from '@blockmill/core'

/** Headers are no place for essays, and the broker limits a frame. */
const MAX_HEADER_TEXT = 2_000

/** Sends a message to the dead queue, and resolves when the broker has confirmed it there. */
export type Bury = (delivery: Delivery, reason: DeadReason, error: unknown) => Promise<void>

/** Sends what cannot be recorded to the dead queue, with the reason, where it waits for a person. */
export function createBury({
  broker,
  logger,
}: {
  readonly broker: Pick<Broker, 'publisher' | 'topology'>
  readonly logger: Logger
}): Bury {
  const { publisher, topology } = broker
  return async (delivery, reason, error) => {
    const text = error instanceof Error ? error.message : String(error)
    // What is malformed is a mistake of its sender, of which workers warn as well; the rest may be one of ours.
    logger[reason === 'invalid_message' ? 'warn' : 'error'](
      { reason, detail: text, messageId: delivery.messageId, type: delivery.type },
      'a message cannot be recorded; it goes to the dead queue',
    )
    await publisher.publish({
      exchange: topology.exchanges.dead,
      routingKey: delivery.routingKey,
      body: delivery.body,
      type: delivery.type ?? 'unknown',
      ...(delivery.messageId !== undefined && { messageId: delivery.messageId }),
      // Only these: the broker's own x-death headers, sent back to it, make it see cycles where there are none.
      headers: {
        [DEAD_HEADERS.reason]: reason,
        [DEAD_HEADERS.error]: text.slice(0, MAX_HEADER_TEXT),
        [DEAD_HEADERS.queue]: delivery.queue,
      },
    })
  }
}

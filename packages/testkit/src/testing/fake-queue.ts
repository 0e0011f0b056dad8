import type { Delivery, OutgoingMessage } from '@blockmill/core'

/** A message that lies in a queue of the fake broker. */
export interface QueuedMessage extends OutgoingMessage {
  readonly deliveryCount: number
}

/** @internal A consumer of a queue of the fake broker. */
export interface FakeConsumer {
  readonly onDelivery: (delivery: Delivery) => void
  prefetch: number
  unsettled: Set<QueuedMessage>
  /** Replaced when its channel is cut: deliveries of an older one are stale. */
  channel: object
}

/**
 * @internal A queue of the fake broker: messages wait in order, consumers get them up to their prefetch, and what is given
 * back comes first again, marked as redelivered.
 */
export class FakeQueue {
  readonly name: string
  readonly ready: QueuedMessage[] = []
  readonly #consumers = new Set<FakeConsumer>()

  readonly #acksArrive: () => boolean

  constructor(name: string, acksArrive: () => boolean) {
    this.name = name
    this.#acksArrive = acksArrive
  }

  get consumers(): number {
    return this.#consumers.size
  }

  push(message: QueuedMessage): void {
    this.ready.push(message)
    this.deliver()
  }

  add(consumer: FakeConsumer): void {
    this.#consumers.add(consumer)
    this.deliver()
  }

  remove(consumer: FakeConsumer): void {
    this.#consumers.delete(consumer)
  }

  /** Gives back what a consumer holds, in the order in which it was delivered. */
  takeBack(consumer: FakeConsumer): void {
    consumer.channel = {}
    this.#requeue([...consumer.unsettled])
    consumer.unsettled.clear()
  }

  deliver(): void {
    for (const consumer of this.#consumers) {
      while (consumer.unsettled.size < consumer.prefetch) {
        const message = this.ready.shift()
        if (message === undefined) return
        consumer.unsettled.add(message)
        consumer.onDelivery(this.#delivery(message, consumer))
      }
    }
  }

  #requeue(messages: readonly QueuedMessage[]): void {
    this.ready.unshift(...messages.map((message) => ({ ...message, deliveryCount: message.deliveryCount + 1 })))
  }

  #delivery(message: QueuedMessage, consumer: FakeConsumer): Delivery {
    const { channel } = consumer
    const isLive = (): boolean => consumer.channel === channel
    const settle = (then: () => void): void => {
      if (!isLive() || !consumer.unsettled.delete(message)) return
      then()
      // As a broker would: later, not from within the consumer's own call.
      queueMicrotask(() => this.deliver())
    }
    return {
      body: message.body,
      type: message.type,
      messageId: message.messageId,
      exchange: message.exchange,
      routingKey: message.routingKey,
      headers: message.headers ?? {},
      redelivered: message.deliveryCount > 0,
      deliveryCount: message.deliveryCount,
      queue: this.name,
      isLive,
      ack: () => {
        if (this.#acksArrive()) settle(() => undefined)
      },
      ackUpTo: () => {
        for (const earlier of consumer.unsettled) {
          if (earlier === message) break
          consumer.unsettled.delete(earlier)
        }
        settle(() => undefined)
      },
      requeue: () => settle(() => this.#requeue([message])),
      reject: () => settle(() => undefined),
    }
  }
}

import type { Channel, ConsumeMessage } from 'amqplib'

import type { Logger } from '../observability/logger.ts'
import { AckLedger } from './ack-ledger.ts'
import { closeChannel } from './close-channel.ts'
import type { Delivery } from './consumer.ts'

/** @internal */
export interface ConsumerChannelOptions {
  readonly channel: Channel
  readonly queue: string
  readonly logger: Logger
  readonly onDelivery: (delivery: Delivery) => void
  /**
   * The channel closed without `close()` being called, or the broker cancelled the consumer. Its deliveries are stale.
   * No reason is given when the connection ended.
   */
  readonly onLost: (reason?: string) => void
}

/** One channel with at most one consumer, and the deliveries that came on it. Never comes back once it is lost. */
export class ConsumerChannel {
  readonly #options: ConsumerChannelOptions
  readonly #channel: Channel
  readonly #ledger = new AckLedger()
  #isOpen = true
  #consumerTag: string | undefined
  #prefetch = 0
  #flushing = false

  constructor(options: ConsumerChannelOptions) {
    this.#options = options
    this.#channel = options.channel
    let failure: Error | undefined
    this.#channel.on('error', (error) => {
      failure = error
    })
    this.#channel.on('close', () => {
      this.#lose(failure?.message)
    })
    // A cancel that crosses with one of ours names a consumer that the library has forgotten, and makes it throw.
    this.#channel.on('handler-error', (error, event) => {
      options.logger.debug({ err: error, event, queue: options.queue }, 'Consumer channel event ignored')
    })
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Prefetch of the running consumer; 0 when there is none. */
  get consuming(): number {
    return this.#consumerTag === undefined ? 0 : this.#prefetch
  }

  /** Starts the consumer. Its prefetch counts its own deliveries only, not those of the channel's earlier consumers. */
  async consume(prefetch: number): Promise<void> {
    await this.#channel.prefetch(prefetch)
    this.#prefetch = prefetch
    const { consumerTag } = await this.#channel.consume(this.#options.queue, (message) => {
      if (message === null) this.#cancelled()
      else this.#deliver(message)
    })
    this.#consumerTag = consumerTag
  }

  /** Ends the consumer. What it was given and is not settled may still be settled. */
  async cancel(): Promise<void> {
    const tag = this.#consumerTag
    this.#consumerTag = undefined
    if (tag !== undefined) await this.#channel.cancel(tag)
  }

  /** Sends what is acked and closes the channel; the rest goes back to the queue. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#flush()
    this.#isOpen = false
    await closeChannel(this.#channel)
  }

  ack(tag: number): void {
    if (this.#isOpen && this.#ledger.ack(tag)) this.#flushSoon()
  }

  ackUpTo(tag: number): void {
    if (!this.#isOpen) return
    this.#ledger.ackUpTo(tag)
    this.#flushSoon()
  }

  /** Gives a delivery back to the queue, or refuses it. */
  nack(tag: number, requeue: boolean): void {
    if (!this.#isOpen || !this.#ledger.settle(tag)) return
    this.#send(() => {
      this.#channel.nack(settlement(tag), false, requeue)
    })
  }

  #deliver(message: ConsumeMessage): void {
    const delivery = new ChannelDelivery(this, this.#options.queue, message)
    this.#ledger.deliver(message.fields.deliveryTag)
    try {
      this.#options.onDelivery(delivery)
    } catch (error) {
      // It must not throw. If it does, the message is given back, and ends in `dead` at the delivery limit.
      this.#options.logger.error({ err: error, queue: this.#options.queue }, 'Delivery handler threw')
      delivery.requeue()
    }
  }

  /** The broker cancels a consumer when its queue is deleted. */
  #cancelled(): void {
    this.#consumerTag = undefined
    this.#lose('the broker cancelled the consumer: its queue was deleted')
    void closeChannel(this.#channel)
  }

  #lose(reason: string | undefined): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#options.onLost(reason)
  }

  /** Acks of one turn of the event loop go out together, so that contiguous ones are one frame. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (!this.#isOpen || !this.#ledger.hasAcks) return
    const { upTo, single } = this.#ledger.take()
    this.#send(() => {
      if (upTo !== undefined) this.#channel.ack(settlement(upTo), true)
      for (const tag of single) this.#channel.ack(settlement(tag))
    })
  }

  #send(settle: () => void): void {
    try {
      settle()
    } catch {
      // The channel closed this instant, and its `close` event is on the way: the broker delivers again what was not settled.
    }
  }
}

/** The library reads nothing but the tag. */
function settlement(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}

class ChannelDelivery implements Delivery {
  readonly #channel: ConsumerChannel
  readonly #message: ConsumeMessage
  readonly queue: string

  constructor(channel: ConsumerChannel, queue: string, message: ConsumeMessage) {
    this.#channel = channel
    this.#message = message
    this.queue = queue
  }

  get body(): Buffer {
    return this.#message.content
  }

  get type(): string | undefined {
    return this.#message.properties.type as string | undefined
  }

  get messageId(): string | undefined {
    return this.#message.properties.messageId as string | undefined
  }

  get exchange(): string {
    return this.#message.fields.exchange
  }

  get routingKey(): string {
    return this.#message.fields.routingKey
  }

  get headers(): Readonly<Record<string, unknown>> {
    return this.#message.properties.headers ?? {}
  }

  get redelivered(): boolean {
    return this.#message.fields.redelivered
  }

  get deliveryCount(): number {
    const count: unknown = this.headers['x-delivery-count']
    return typeof count === 'number' ? count : 0
  }

  isLive(): boolean {
    return this.#channel.isOpen
  }

  ack(): void {
    this.#channel.ack(this.#message.fields.deliveryTag)
  }

  ackUpTo(): void {
    this.#channel.ackUpTo(this.#message.fields.deliveryTag)
  }

  requeue(): void {
    this.#channel.nack(this.#message.fields.deliveryTag, true)
  }

  reject(): void {
    this.#channel.nack(this.#message.fields.deliveryTag, false)
  }
}

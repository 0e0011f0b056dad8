/** A message from the broker, to be settled exactly once. */
export interface Delivery {
  readonly body: Buffer
  readonly type: string | undefined
  readonly messageId: string | undefined
  readonly exchange: string
  readonly routingKey: string
  readonly headers: Readonly<Record<string, unknown>>
  /** True when the broker gave it to a consumer before that died or gave it back. */
  readonly redelivered: boolean
  /** How often it was given out before: `x-delivery-count` of quorum queues, 0 at first. */
  readonly deliveryCount: number
  /** The queue it came from. */
  readonly queue: string
  /** False once the channel it came on is gone: the broker will deliver it again, and settling it does nothing. */
  isLive(): boolean
  /** Takes it off the queue. Does nothing when it is not live. */
  ack(): void
  /** Takes it and every earlier delivery of the same subscription off the queue. */
  ackUpTo(): void
  /** Gives it back to the queue, to be delivered again. */
  requeue(): void
  /** Refuses it: it goes to the queue's dead-letter exchange, or is dropped where there is none. */
  reject(): void
}

export interface ConsumeOptions {
  readonly queue: string
  /** Most deliveries that may be unsettled at once: 1 to 65535. */
  readonly prefetch: number
  /** Called for each delivery, in order. Must not throw; settles the delivery when its work is done. */
  readonly onDelivery: (delivery: Delivery) => void
  /** Called when deliveries have become stale: the channel closed, or the queue was deleted. They will come again. */
  readonly onLost?: () => void
}

/** A consumer that survives reconnects and cancels: it consumes again as soon as its queue can be. */
export interface Subscription {
  readonly queue: string
  /**
   * Changes the prefetch of the running consumer, at once. What is unsettled then does not count towards the new one.
   *
   * @throws ConfigurationError `CONFIG_INVALID` outside 1 to 65535.
   */
  setPrefetch(prefetch: number): Promise<void>
  /** Stops new deliveries; those not settled yet may still be settled. Idempotent. */
  pause(): Promise<void>
  /** Consumes again after `pause`. Idempotent. */
  resume(): Promise<void>
  /** Ends the subscription and its channel; what is not settled goes back to the queue. Idempotent. */
  close(): Promise<void>
}

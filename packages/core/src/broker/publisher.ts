/** A message on its way to the broker. Always persistent, always confirmed. */
export interface OutgoingMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly body: Buffer
  /** The `type` property: `blockmill.task.v1` and the like. */
  readonly type: string
  /** Default `application/json`. */
  readonly contentType?: string
  readonly messageId?: string
  readonly headers?: Readonly<Record<string, unknown>>
  /** Rejects with `BROKER_PUBLISH_FAILED` when no queue takes it. Says nothing where a `#` binding exists. Default false. */
  readonly mandatory?: boolean
  /** Rejects when the broker refuses it for the first time, instead of publishing it again. Default false. */
  readonly once?: boolean
}

/** Publishes with a window of unconfirmed messages, and again after a reconnect, until the broker has confirmed. */
export interface Publisher {
  /**
   * Resolves when the broker has confirmed the message. Survives reconnects: what was not confirmed is published again, so
   * a message may arrive twice, never not at all. Waits while the window is full or the broker has blocked publishing.
   *
   * @throws RetryableError `BROKER_PUBLISH_FAILED` when the broker refuses the message five times within about 1.5 s, returns
   * it as unroutable, or closes the channel twice because of it, or when the publisher stops before it is confirmed.
   * NonRetryableError of the same code when AMQP cannot carry it: headers over 64 KiB, say.
   */
  publish(message: OutgoingMessage): Promise<void>
  /** Resolves as soon as a further message would not have to wait for the window: what producers pace themselves by. */
  drained(): Promise<void>
  /** Messages not confirmed yet, those waiting for the window included. */
  readonly pending: number
}

import { type ConfirmChannel, IllegalOperationError, type Options } from 'amqplib'

import type { BlockmillError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { ConfirmWindow } from './confirm-window.ts'
import { Fifo } from './fifo.ts'
import type { OutgoingMessage, Publisher } from './publisher.ts'
import { closedChannel, refused, stopped, unencodable, unroutable } from './publish-failure.ts'

/**
 * How often the broker may refuse a message (`basic.nack`) before it is rejected. A queue that is full, or that lost its
 * majority for a moment, refuses; the waits in between add up to about 1.5 s.
 */
export const MAX_NACKS = 5
/** Wait after the first refusal, doubled after each further one. */
const NACK_DELAY_MS = 100

/** @internal */
export interface ConfirmPublisherOptions {
  readonly logger: Logger
  /** Most messages that are sent and not confirmed. */
  readonly window: number
  /** A message that is not confirmed within this time makes the publisher give up the channel. */
  readonly confirmTimeoutMs: number
  /** The channel is of no more use. Its connection is to be ended; a new channel comes by `attach()`. */
  readonly onBroken: (reason: Error) => void
}

/** One message until it is settled. */
interface Entry {
  readonly message: OutgoingMessage
  readonly resolve: () => void
  readonly reject: (error: BlockmillError) => void
  /** In milliseconds of `performance.now()`. */
  sentAt: number
  nacks: number
  /** Why the broker gave it back, when it did. Its confirm follows. */
  returned: string | undefined
  /** It was unconfirmed when the broker closed a channel because of something on it. */
  suspect: boolean
}

/**
 * Publishes on the confirm channel it is given, with a window of unconfirmed messages.
 *
 * - detached: there is no channel. Messages wait. `attach()` leads to attached.
 * - attached: messages are sent while the window has room, the library's write buffer takes them, and the broker has not
 *   blocked publishing; otherwise they wait. Ends with the channel; then detached.
 * - isolating: attached, after the broker closed a channel because of a message on it (its exchange does not exist, say).
 *   The window is 1 until all that was unconfirmed then is settled, so that the message which closes the channel a second
 *   time is known, and it alone is rejected.
 * - stopped: final. What was not confirmed is rejected.
 *
 * Whatever was sent on a channel and not confirmed is sent again on the next one, before everything else and in order.
 */
export class ConfirmPublisher implements Publisher {
  readonly #options: ConfirmPublisherOptions
  #channel: ConfirmChannel | undefined
  /** Sent on the channel and not confirmed. */
  #unconfirmed = new ConfirmWindow<Entry>()
  /** Not sent yet, or to be sent again. */
  readonly #waiting = new Fifo<Entry>()
  /** Refused by the broker, waiting to be sent again. */
  readonly #refused = new Map<Entry, NodeJS.Timeout>()
  /** Callers of `drained()`. */
  #drainWaiters: (() => void)[] = []
  #whenIdle: (() => void) | undefined
  #confirmTimer: NodeJS.Timeout | undefined
  #isWritable = true
  #isBlocked = false
  #isStopped = false
  #suspects = 0
  #confirmed = 0
  #failed = 0

  constructor(options: ConfirmPublisherOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#unconfirmed.size + this.#waiting.length + this.#refused.size
  }

  /** Messages confirmed so far. */
  get confirmed(): number {
    return this.#confirmed
  }

  /** Messages rejected so far. */
  get failed(): number {
    return this.#failed
  }

  publish(message: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isStopped) {
        reject(stopped())
        return
      }
      const entry = { message, resolve, reject, sentAt: 0, nacks: 0, returned: undefined, suspect: false }
      if (this.#waiting.length === 0 && this.#hasRoom()) this.#send(entry)
      else this.#waiting.push(entry)
    })
  }

  drained(): Promise<void> {
    if (this.#isStopped || this.#isDrained()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drainWaiters.push(resolve)
    })
  }

  /** Goes on with a new channel. */
  attach(channel: ConfirmChannel): void {
    this.detach()
    if (this.#isStopped) return
    this.#channel = channel
    // Each channel has a window of its own, emptied by detach(), so that a channel which is given up settles nothing more.
    const unconfirmed = new ConfirmWindow<Entry>()
    this.#unconfirmed = unconfirmed
    let failure: Error | undefined
    channel.on('error', (error) => {
      failure = error
    })
    channel.on('close', () => {
      if (this.#channel !== channel) return
      if (failure !== undefined) this.#suspect(failure)
      this.detach()
      if (failure !== undefined) this.#options.onBroken(failure)
    })
    channel.on('drain', () => {
      if (this.#channel !== channel) return
      this.#isWritable = true
      this.#pump()
    })
    channel.on('return', ({ fields, properties }) => {
      const { replyCode, replyText } = fields as { replyCode?: number; replyText?: string }
      const entry = unconfirmed.get(Number(properties.correlationId))
      if (entry !== undefined) entry.returned = `${replyCode} ${replyText}`
    })
    // One listener for all messages, instead of the library's callback for each: no closure is made per message.
    channel.on('ack', ({ deliveryTag, multiple }) => {
      for (const entry of unconfirmed.take(deliveryTag, multiple)) this.#settle(entry)
      this.#pump()
    })
    channel.on('nack', ({ deliveryTag, multiple }) => {
      for (const entry of unconfirmed.take(deliveryTag, multiple)) this.#nacked(entry)
      this.#pump()
    })
    this.#pump()
  }

  /** The channel is gone. What it had not confirmed waits for the next one. */
  detach(): void {
    this.#channel = undefined
    this.#isWritable = true
    this.#isBlocked = false
    clearTimeout(this.#confirmTimer)
    this.#confirmTimer = undefined
    this.#waiting.putFirst(this.#unconfirmed.values())
    this.#unconfirmed.clear()
  }

  /** The broker takes nothing more from the connection, or takes again. */
  setBlocked(blocked: boolean): void {
    this.#isBlocked = blocked
    if (blocked) return
    const now = performance.now()
    for (const entry of this.#unconfirmed.values()) entry.sentAt = now
    this.#pump()
  }

  /** Refuses new messages, waits until all are confirmed, and rejects what is not when the time is over. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true
    if (this.pending > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#whenIdle = resolve
      const timer = setTimeout(resolve, timeoutMs)
      await promise
      clearTimeout(timer)
    }
    this.detach()
    const rest = [...this.#waiting.takeAll(), ...this.#refused.keys()]
    for (const timer of this.#refused.values()) clearTimeout(timer)
    this.#refused.clear()
    if (rest.length > 0) {
      this.#options.logger.warn({ messages: rest.length, timeoutMs }, 'Stopped with unconfirmed messages')
    }
    for (const entry of rest) this.#fail(entry, stopped())
    this.#tellWaiters()
  }

  #hasRoom(): boolean {
    const window = this.#suspects > 0 ? 1 : this.#options.window
    return this.#channel !== undefined && this.#isWritable && !this.#isBlocked && this.#unconfirmed.size < window
  }

  #isDrained(): boolean {
    return this.pending < this.#options.window
  }

  #pump(): void {
    while (this.#waiting.length > 0 && this.#hasRoom()) this.#send(this.#waiting.shift() as Entry)
    this.#tellWaiters()
  }

  #send(entry: Entry): void {
    const { message } = entry
    entry.returned = undefined
    try {
      this.#isWritable = (this.#channel as ConfirmChannel).publish(
        message.exchange,
        message.routingKey,
        message.body,
        publishOptions(message, this.#unconfirmed.nextTag),
      )
    } catch (error) {
      if (error instanceof IllegalOperationError) {
        // The channel closed this instant, and whoever owns the connection is about to tell.
        this.detach()
        this.#waiting.putFirst([entry])
      } else {
        this.#fail(entry, unencodable(message, error))
      }
      return
    }
    entry.sentAt = performance.now()
    this.#unconfirmed.add(entry)
    this.#confirmTimer ??= setTimeout(this.#checkConfirms, this.#options.confirmTimeoutMs)
  }

  #settle(entry: Entry): void {
    if (entry.returned !== undefined) {
      this.#fail(entry, unroutable(entry.message, entry.returned))
      return
    }
    this.#confirmed += 1
    this.#clear(entry)
    entry.resolve()
  }

  #fail(entry: Entry, error: BlockmillError): void {
    this.#failed += 1
    this.#clear(entry)
    entry.reject(error)
  }

  #clear(entry: Entry): void {
    if (!entry.suspect) return
    entry.suspect = false
    this.#suspects -= 1
  }

  #nacked(entry: Entry): void {
    entry.nacks += 1
    if (entry.nacks >= MAX_NACKS || entry.message.once === true) {
      this.#fail(entry, refused(entry.message, entry.nacks))
      return
    }
    const timer = setTimeout(
      () => {
        this.#refused.delete(entry)
        this.#waiting.putFirst([entry])
        this.#pump()
      },
      NACK_DELAY_MS * 2 ** (entry.nacks - 1),
    )
    this.#refused.set(entry, timer)
  }

  /** The broker closed the channel because of a message on it, or because of what it means as a whole. */
  #suspect(failure: Error): void {
    const oldest = this.#unconfirmed.first()
    if (this.#unconfirmed.size === 1 && oldest?.suspect === true) {
      this.#unconfirmed.clear()
      this.#fail(oldest, closedChannel(oldest.message, failure))
      return
    }
    for (const entry of this.#unconfirmed.values()) {
      if (!entry.suspect) this.#suspects += 1
      entry.suspect = true
    }
  }

  readonly #checkConfirms = (): void => {
    this.#confirmTimer = undefined
    const oldest = this.#unconfirmed.first()
    if (oldest === undefined) return
    const { confirmTimeoutMs, onBroken } = this.#options
    const leftMs = this.#isBlocked ? confirmTimeoutMs : oldest.sentAt + confirmTimeoutMs - performance.now()
    if (leftMs > 0) {
      this.#confirmTimer = setTimeout(this.#checkConfirms, Math.ceil(leftMs))
      return
    }
    this.detach()
    onBroken(new Error(`a message was not confirmed within ${confirmTimeoutMs} ms`))
  }

  #tellWaiters(): void {
    if (this.#drainWaiters.length > 0 && (this.#isStopped || this.#isDrained())) {
      for (const resolve of this.#drainWaiters.splice(0)) resolve()
    }
    if (this.pending === 0) this.#whenIdle?.()
  }
}

function publishOptions(message: OutgoingMessage, tag: number): Options.Publish {
  const { type, contentType = 'application/json' } = message
  const options: Options.Publish = { persistent: true, contentType, type }
  if (message.messageId !== undefined) options.messageId = message.messageId
  if (message.headers !== undefined) options.headers = message.headers
  if (message.mandatory === true) {
    options.mandatory = true
    // A returned message does not say which one it was, unless it carries it.
    options.correlationId = `${tag}`
  }
  return options
}

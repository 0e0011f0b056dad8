import { EventEmitter } from 'node:events'

import type { ConfirmChannel, Options } from 'amqplib'

import { ConfirmPublisher } from '../src/broker/confirm-publisher.ts'
import type { OutgoingMessage } from '../src/broker/publisher.ts'
import { createSilentLogger } from '../src/observability/logger.ts'

/** A confirm channel whose broker does what the test says. */
export class ScriptedChannel extends EventEmitter {
  readonly sent: string[] = []
  readonly options: Options.Publish[] = []
  isWritable = true
  failure: Error | undefined

  publish(_exchange: string, _key: string, body: Buffer, options: Options.Publish): boolean {
    if (this.failure !== undefined) throw this.failure
    this.sent.push(body.toString())
    this.options.push(options)
    return this.isWritable
  }

  ack(deliveryTag: number, multiple = false): void {
    this.emit('ack', { deliveryTag, multiple })
  }

  nack(deliveryTag: number, multiple = false): void {
    this.emit('nack', { deliveryTag, multiple })
  }

  return(deliveryTag: number): void {
    const { correlationId } = this.options[deliveryTag - 1] as Options.Publish
    this.emit('return', { fields: { replyCode: 312, replyText: 'NO_ROUTE' }, properties: { correlationId } })
  }

  closeWith(code: number): void {
    this.emit('error', Object.assign(new Error(`Channel closed by server: ${code}`), { code }))
    this.emit('close')
  }
}

/** A publisher, and why it gave up its channels. */
export function setUp({ window = 3, confirmTimeoutMs = 1_000 } = {}) {
  const broken: string[] = []
  const publisher = new ConfirmPublisher({
    logger: createSilentLogger(),
    window,
    confirmTimeoutMs,
    onBroken: (reason) => broken.push(reason.message),
  })
  return { publisher, broken }
}

/** Gives the publisher a new channel. */
export function attach(publisher: ConfirmPublisher): ScriptedChannel {
  const channel = new ScriptedChannel()
  publisher.attach(channel as unknown as ConfirmChannel)
  return channel
}

/** A message whose id and body are the same text. */
export function message(body: string, rest: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    exchange: 'tasks',
    routingKey: 'task.a.low',
    type: 'test',
    messageId: body,
    body: Buffer.from(body),
    ...rest,
  }
}

/** Publishes each and notes how it ends. */
export function publishAll(publisher: ConfirmPublisher, ...bodies: string[]): Record<string, string> {
  const outcomes: Record<string, string> = {}
  for (const body of bodies) {
    publisher.publish(message(body)).then(
      () => (outcomes[body] = 'confirmed'),
      (error: Error) => (outcomes[body] = error.message),
    )
  }
  return outcomes
}

import { randomUUID } from 'node:crypto'

import type { Broker } from '../broker/broker.ts'
import type { Listener } from '../broker/listener.ts'
import type { Codec } from '../message/codec.ts'
import type { Logger } from '../observability/logger.ts'
import { controlMessageCodec, controlReplyCodec } from './control-codec.ts'
import { CONTROL_MESSAGE_TYPE, CONTROL_REPLY_TYPE, type ControlMessage, type ControlReply } from './control-message.ts'

/** What a client of the control exchange needs of the broker. */
export type ControlBroker = Pick<Broker, 'topology' | 'publisher' | 'listen'>

type WithoutEnvelope<Message> = Message extends unknown ? Omit<Message, 'v' | 'id' | 'sentAt' | 'by'> : never

/** A control message without what is the same in all of them. */
export type ControlOrder = WithoutEnvelope<ControlMessage>

/** Puts an order into a message of its own. */
export function controlMessage(order: ControlOrder, { by, nowMs }: { by: string; nowMs: number }): ControlMessage {
  return { ...order, v: 1, id: randomUUID(), sentAt: nowMs, by }
}

/**
 * Publishes a control message. Resolves when the broker has confirmed it, which does not mean that anybody listens.
 *
 * @throws as `Publisher.publish` does.
 */
export function publishControl({ topology, publisher }: ControlBroker, message: ControlMessage): Promise<void> {
  return publisher.publish({
    exchange: topology.exchanges.control,
    routingKey: message.type,
    body: controlMessageCodec.encode(message),
    type: CONTROL_MESSAGE_TYPE,
    messageId: message.id,
  })
}

/**
 * Answers a control message, if somebody waits for that. Whoever asked may be gone: then the answer is dropped by the broker.
 *
 * @throws as `Publisher.publish` does.
 */
export async function publishReply(
  { topology, publisher }: ControlBroker,
  { replyTo }: ControlMessage,
  reply: ControlReply,
): Promise<void> {
  if (replyTo === undefined) return
  await publisher.publish({
    exchange: topology.exchanges.reply,
    routingKey: replyTo,
    body: controlReplyCodec.encode(reply),
    type: CONTROL_REPLY_TYPE,
  })
}

/**
 * Hears the control exchange. What is no control message is ignored with a warning: anybody may publish to an exchange, and
 * a later version may say more than this one knows.
 */
export function listenToControl(
  broker: ControlBroker,
  { logger, ...told }: { logger: Logger; onMessage: (message: ControlMessage) => void; onListening?: () => void },
): Promise<Listener> {
  const { onMessage, ...rest } = told
  return broker.listen({
    ...rest,
    exchange: broker.topology.exchanges.control,
    onMessage: readable(controlMessageCodec, logger, onMessage),
  })
}

/** Hears the answers to one key. */
export function listenToReplies(
  broker: ControlBroker,
  { replyTo, logger, onReply }: { replyTo: string; logger: Logger; onReply: (reply: ControlReply) => void },
): Promise<Listener> {
  return broker.listen({
    exchange: broker.topology.exchanges.reply,
    pattern: replyTo,
    onMessage: readable(controlReplyCodec, logger, onReply),
  })
}

function readable<Message>(codec: Codec<Message>, logger: Logger, onMessage: (message: Message) => void) {
  return ({ body, type }: { readonly body: Buffer; readonly type: string | undefined }): void => {
    let message: Message
    try {
      message = codec.decode(body)
    } catch (error) {
      logger.warn({ type, reason: (error as Error).message }, 'a message on the control exchange is ignored')
      return
    }
    onMessage(message)
  }
}

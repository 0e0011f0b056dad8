import type { ChannelModel } from 'amqplib'

import { RetryableError } from '../errors/blockmill-error.ts'
import { REPLY_CODES, replyCode } from './broker-refusal.ts'
import type { QueueDepth } from './broker.ts'
import { closeChannel } from './close-channel.ts'

/**
 * Asks by a passive declare, on a channel of its own, since a missing queue closes the channel.
 *
 * @throws RetryableError `BROKER_UNREACHABLE` when there is no connection, or it ends meanwhile.
 */
export async function queueDepth(connection: ChannelModel | undefined, queue: string): Promise<QueueDepth | undefined> {
  try {
    const channel = await connection?.createChannel()
    if (channel === undefined) throw new Error('there is no connection')
    // The operation throws it, too.
    channel.on('error', () => {})
    const { messageCount, consumerCount } = await channel.checkQueue(queue)
    await closeChannel(channel)
    return { messages: messageCount, consumers: consumerCount }
  } catch (cause) {
    // The broker has closed the channel by then.
    if (replyCode(cause) === REPLY_CODES.notFound) return undefined
    throw new RetryableError(
      'BROKER_UNREACHABLE',
      `The broker could not be asked for the depth of queue "${queue}": ${(cause as Error).message}.`,
      { cause },
    )
  }
}

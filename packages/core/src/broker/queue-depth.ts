import type { Channel, ChannelModel } from 'amqplib'

import { RetryableError } from '../errors/blockmill-error.ts'
import { REPLY_CODES, replyCode } from './broker-refusal.ts'
import type { QueueDepth } from './broker.ts'
import { closeChannel } from './close-channel.ts'

/**
 * Asks by a passive declare.
 *
 * @throws RetryableError `BROKER_UNREACHABLE` when there is no connection, or it ends meanwhile.
 */
export async function queueDepth(connection: ChannelModel | undefined, queue: string): Promise<QueueDepth | undefined> {
  return onOwnChannel(connection, `be asked for the depth of queue "${queue}"`, async (channel) => {
    const { messageCount, consumerCount } = await channel.checkQueue(queue)
    return { messages: messageCount, consumers: consumerCount }
  })
}

/**
 * Drops the messages that are ready in a queue, and says how many there were; `undefined` when there is no such queue.
 *
 * @throws RetryableError `BROKER_UNREACHABLE` when there is no connection, or it ends meanwhile.
 */
export async function purgeQueue(connection: ChannelModel | undefined, queue: string): Promise<number | undefined> {
  return onOwnChannel(connection, `purge queue "${queue}"`, async (channel) => {
    const { messageCount } = await channel.purgeQueue(queue)
    return messageCount
  })
}

/** A missing queue closes the channel, so each operation has its own. */
async function onOwnChannel<Result>(
  connection: ChannelModel | undefined,
  what: string,
  work: (channel: Channel) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    const channel = await connection?.createChannel()
    if (channel === undefined) throw new Error('there is no connection')
    // The operation throws it, too.
    channel.on('error', () => {})
    const result = await work(channel)
    await closeChannel(channel)
    return result
  } catch (cause) {
    // The broker has closed the channel by then.
    if (replyCode(cause) === REPLY_CODES.notFound) return undefined
    throw new RetryableError('BROKER_UNREACHABLE', `The broker could not ${what}: ${(cause as Error).message}.`, {
      cause,
    })
  }
}

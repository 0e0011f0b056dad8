import type { Channel } from 'amqplib'

/**
 * Closes a channel and resolves when it is closed, however that came about. The library's own promise never settles when
 * the connection ends first.
 */
export function closeChannel(channel: Channel): Promise<void> {
  return new Promise((resolve) => {
    channel.once('close', resolve)
    // It was closed or is being closed already, which is as good.
    channel.close().catch(() => {
      resolve()
    })
  })
}

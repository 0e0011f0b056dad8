import type { Writable } from 'node:stream'

/**
 * Replaces the socket's `write` so that what one callback of the event loop writes goes to the system together, when the callback is
 * over, as long as it is not more than the socket buffers. The AMQP library writes each message by itself, and each write is a call
 * into the system here and often another one at the broker.
 */
export function gatherWrites(socket: Writable): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  const uncork = (): void => socket.uncork()
  socket.write = (...args: unknown[]): boolean => {
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(uncork)
    }
    return write(...args)
  }
}

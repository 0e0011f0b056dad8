import type { Writable } from 'node:stream'

/**
 * Sends what is written in one turn of the event loop in one packet, at the end of the turn. The AMQP library writes each message by
 * itself, and each write is a call into the system here and another one at the broker.
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

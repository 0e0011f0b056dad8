import { once } from 'node:events'
import type { Socket } from 'node:net'

import type { TrafficGate } from './traffic-gate.ts'

/** One client's connection, with its counterpart to the target. */
export interface ProxyLink {
  /** Resolves when the client's connection is closed. */
  readonly closed: Promise<void>
  /** Resets both sides. */
  cut(): void
  /** Resets the target's side alone; the client hears nothing any more. */
  dropTarget(): void
}

/** Passes bytes and ends between two sockets, both with `allowHalfOpen`, as the gate admits them. */
export function createProxyLink(client: Socket, upstream: Socket, gate: TrafficGate): ProxyLink {
  const over = new AbortController()
  const closed = new Promise<void>((resolve) => {
    client.once('close', () => {
      over.abort()
      upstream.destroy()
      resolve()
    })
  })
  let isDropped = false

  function cut(): void {
    reset(client)
    reset(upstream)
  }

  async function pump(from: Socket, to: Socket): Promise<void> {
    // The pump learns of errors by reading; a listener keeps those that come afterwards from ending the process.
    from.on('error', () => {})
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        let rest = chunk as Buffer
        while (rest.length > 0) {
          const part = await gate.admit(rest, over.signal)
          if (isDropped) await once(over.signal, 'abort')
          if (!to.write(part)) await once(to, 'drain', { signal: over.signal })
          rest = rest.subarray(part.length)
        }
      }
      if (isDropped) client.destroy()
      else to.end()
    } catch {
      // One side broke, so the other one must see that. Not a client that is meant to hear nothing.
      if (!isDropped || from === client) cut()
    }
  }

  void pump(client, upstream)
  void pump(upstream, client)
  return {
    closed,
    cut,
    dropTarget() {
      isDropped = true
      reset(upstream)
    },
  }
}

/** Resets a socket. One that is being shut down refuses, and Node then keeps its handle for ever: that one is just closed. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

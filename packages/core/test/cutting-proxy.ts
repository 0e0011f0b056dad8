import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A proxy that cuts each connection after a number of bytes from the server: within the handshake, a declare, anywhere. */
export interface CuttingProxy {
  readonly url: string
  /** Connections cut so far. */
  readonly cuts: number
  /** Most bytes that a server has sent on one connection. */
  readonly longest: number
  /** The next connection is cut after this many bytes. */
  cutNextAfter(bytes: number, how: 'end' | 'reset'): void
  /** The broker closes the next connection in the same breath in which it opens it, as one that shuts down may. */
  closeNextAtOpen(): void
  stop(): Promise<void>
}

/** Class and method of `connection.open-ok` and `connection.close`, on channel 0. */
const OPEN_OK = Buffer.from([1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 41])
const CLOSE_TEXT = 'CONNECTION_FORCED - broker forced connection closure'
const CLOSE_ARGUMENTS = Buffer.from([0, 10, 0, 50, 320 >> 8, 320 & 255, CLOSE_TEXT.length])
const CLOSE = Buffer.concat([
  Buffer.from([1, 0, 0, 0, 0, 0, CLOSE_ARGUMENTS.length + CLOSE_TEXT.length + 4]),
  CLOSE_ARGUMENTS,
  Buffer.from(CLOSE_TEXT),
  Buffer.from([0, 0, 0, 0, 0xce]),
])

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const state = {
    cuts: 0,
    longest: 0,
    after: Number.POSITIVE_INFINITY,
    how: 'end' as 'end' | 'reset',
    isClosing: false,
  }

  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) })
    const { after, how, isClosing } = state
    state.after = Number.POSITIVE_INFINITY
    state.isClosing = false
    let passed = 0
    const cut = (): void => {
      state.cuts += 1
      if (how === 'reset') client.resetAndDestroy()
      else client.end()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.end())
    if (after === 0) {
      cut()
      return
    }
    client.pipe(upstream)
    upstream.on('data', (chunk: Buffer) => {
      if (isClosing && chunk.includes(OPEN_OK)) {
        state.cuts += 1
        client.write(Buffer.concat([chunk, CLOSE]))
        return
      }
      const part = chunk.subarray(0, Math.max(0, after - passed))
      passed += part.length
      state.longest = Math.max(state.longest, passed)
      if (part.length > 0) client.write(part)
      if (passed >= after && !upstream.destroyed) cut()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = `${(server.address() as AddressInfo).port}`

  return {
    url: url.href,
    get cuts() {
      return state.cuts
    },
    get longest() {
      return state.longest
    },
    cutNextAfter(bytes, how) {
      state.after = bytes
      state.how = how
    },
    closeNextAtOpen() {
      state.isClosing = true
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

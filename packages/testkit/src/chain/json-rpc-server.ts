import { once } from 'node:events'
import { STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'

import { type WebSocket, WebSocketServer } from 'ws'

/** An error that a client gets as it is: `code`, `message` and `data` of JSON-RPC 2.0. */
export class JsonRpcError extends Error {
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** What a method can do with the connection that it was called on. */
export interface JsonRpcConnection {
  /** Opens a subscription: its id goes into the result of the method, and `push` sends values to the client until it ends. */
  subscribe(notification: string, onEnd: () => void, id?: string): { id: string; push: (value: unknown) => void }
  /** Ends a subscription. `false` when there is none of this id. */
  unsubscribe(id: string): boolean
}

export type JsonRpcMethod = (params: readonly unknown[], connection: JsonRpcConnection) => unknown

export interface JsonRpcServerOptions {
  /** Address that it listens on. Default the loopback address. */
  readonly host?: string
  /** 0 for any free port. */
  readonly port: number
  readonly methods: Readonly<Record<string, JsonRpcMethod>>
}

/** What a client gets in place of a WebSocket. */
export interface ConnectionRefusal {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

/** JSON-RPC 2.0 over WebSockets, with faults of the transport to order. */
export interface JsonRpcServer {
  readonly port: number
  /** Cuts every connection, without a closing handshake. */
  readonly dropConnections: () => void
  /** With `true` or what to answer, new connections are refused until it is called with `false`. Default answer: status 503. */
  readonly refuseConnections: (refused: boolean | ConnectionRefusal) => void
  /** With `true`, connections stay open but nothing is read or sent, as on a half-dead socket. */
  readonly stall: (stalled: boolean) => void
  /** Cuts every connection and gives the port back. */
  stop(): Promise<void>
}

/** Resolves when the server listens. Rejects when the port is taken. */
export async function startJsonRpcServer({
  host = '127.0.0.1',
  port,
  methods,
}: JsonRpcServerOptions): Promise<JsonRpcServer> {
  let refusal: ConnectionRefusal | undefined
  let stalled = false
  let stallEnds = Promise.withResolvers<void>()
  const server = new WebSocketServer({
    host,
    port,
    verifyClient: (_info, decide) =>
      decide(refusal === undefined, refusal?.status, STATUS_CODES[refusal?.status ?? 0], { ...refusal?.headers }),
  })
  await once(server, 'listening')

  server.on('connection', (socket) => {
    if (stalled) socket.pause()
    serve(socket, methods, {
      isStalled: () => stalled,
      stallEnds: () => stallEnds.promise,
    })
  })

  const dropConnections = (): void => {
    for (const socket of server.clients) socket.terminate()
  }

  return {
    port: (server.address() as AddressInfo).port,
    dropConnections,
    refuseConnections(refuse) {
      if (refuse === false) refusal = undefined
      else refusal = refuse === true ? { status: 503 } : refuse
    },
    stall(stall) {
      if (stall === stalled) return
      stalled = stall
      for (const socket of server.clients) {
        if (stall) socket.pause()
        else socket.resume()
      }
      if (stall) return
      stallEnds.resolve()
      stallEnds = Promise.withResolvers()
    },
    async stop() {
      const closed = once(server, 'close')
      server.close()
      dropConnections()
      await closed
    },
  }
}

interface Stall {
  isStalled(): boolean
  stallEnds(): Promise<void>
}

function serve(socket: WebSocket, methods: JsonRpcServerOptions['methods'], stall: Stall): void {
  const subscriptions = new Map<string, () => void>()
  let idsGiven = 0

  const send = (message: Record<string, unknown>): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
  }

  const connection: JsonRpcConnection = {
    subscribe(notification, onEnd, id = `sub-${++idsGiven}`) {
      subscriptions.set(id, onEnd)
      return {
        id,
        push(value) {
          if (subscriptions.has(id) && !stall.isStalled())
            send({ method: notification, params: { subscription: id, result: value } })
        },
      }
    },
    unsubscribe(id) {
      subscriptions.get(id)?.()
      return subscriptions.delete(id)
    },
  }

  const reply = async (text: string): Promise<void> => {
    const answer = await answerTo(text, methods, connection)
    while (stall.isStalled()) await stall.stallEnds()
    send(answer)
  }

  socket.on('message', (data: Buffer) => {
    // Never rejects: every failure is an answer.
    void reply(data.toString())
  })
  socket.on('close', () => {
    for (const end of subscriptions.values()) end()
    subscriptions.clear()
  })
  // A connection that breaks is closed by `ws`; there is nobody else to tell.
  socket.on('error', () => undefined)
}

async function answerTo(
  text: string,
  methods: JsonRpcServerOptions['methods'],
  connection: JsonRpcConnection,
): Promise<Record<string, unknown>> {
  let id: unknown = null
  try {
    const request = parseRequest(text)
    id = request.id
    const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
    if (method === undefined) throw new JsonRpcError(-32_601, `Method not found: ${request.method}`)
    return { id, result: (await method(request.params, connection)) ?? null }
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : -32_603
    const data = error instanceof JsonRpcError ? error.data : undefined
    return { id, error: { code, message: error instanceof Error ? error.message : String(error), data } }
  }
}

function parseRequest(text: string): { id: unknown; method: string; params: readonly unknown[] } {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new JsonRpcError(-32_700, `Parse error: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof body !== 'object' || body === null || !('method' in body) || typeof body.method !== 'string')
    throw new JsonRpcError(-32_600, 'Invalid request: no method.')
  const params = 'params' in body ? body.params : []
  if (!Array.isArray(params)) throw new JsonRpcError(-32_602, 'Invalid params: an array is expected.')
  return { id: 'id' in body ? body.id : null, method: body.method, params }
}

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'

import { WebSocket, WebSocketServer } from 'ws'

import { createEvmView, type RpcRequest } from './evm-view.ts'
import type { RpcFailure } from './rpc-failures.ts'

export interface EvmProxyOptions {
  /** `http://` URL of an EVM node that takes WebSockets on the same port, as anvil does. */
  readonly target: string
}

/** Stands before an EVM node, speaks HTTP and WebSocket, and does what public endpoints do to their clients. */
export interface EvmProxy {
  readonly url: string
  readonly wsUrl: string
  /** How many requests each HTTP body had so far: more than 1 for a batch. */
  readonly bodies: readonly number[]
  /** Answers like a node that is this many blocks behind. 0 ends it. */
  lag(blocks: number): void
  /** Makes the next requests of a method fail. */
  fail(failure: RpcFailure): void
  /** Answers the next HTTP bodies with status 429, or another one. */
  refuseRequests(refusal: { readonly times: number; readonly status?: number; readonly retryAfter?: string }): void
  /** Refuses batches of more requests than this, as nodes do that allow none (1). `undefined` ends it. */
  limitBatches(requests: number | undefined): void
  /** With `true`, what is asked gets no answer until it is called with `false`. */
  stall(stalled: boolean): void
  /** With `true`, cuts every connection and refuses new ones. */
  disconnect(disconnected: boolean): void
  /** Idempotent. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'

/** Resolves when the proxy listens, on a free port. */
export async function startEvmProxy({ target }: EvmProxyOptions): Promise<EvmProxy> {
  const view = createEvmView(target)
  const bodies: number[] = []
  const refusals: { times: number; readonly status?: number; readonly retryAfter?: string }[] = []
  let batchLimit = Number.POSITIVE_INFINITY
  let disconnected = false
  let stall: PromiseWithResolvers<void> | undefined
  let stopping: Promise<void> | undefined

  const answerHttp = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = JSON.parse(await readText(request)) as RpcRequest | readonly RpcRequest[]
    const size = Array.isArray(body) ? body.length : 1
    bodies.push(size)
    await stall?.promise
    const refusal = refusals.find(({ times }) => times > 0)
    if (refusal !== undefined) {
      refusal.times -= 1
      const headers = refusal.retryAfter === undefined ? {} : { 'retry-after': refusal.retryAfter }
      response.writeHead(refusal.status ?? 429, headers).end('not now')
    } else if (Array.isArray(body) && size > batchLimit) {
      const error = { code: -32_600, message: `A batch may have ${batchLimit} requests.` }
      response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error }))
    } else {
      const answers = Array.isArray(body)
        ? await Promise.all(body.map(view.answer))
        : await view.answer(body as RpcRequest)
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answers))
    }
  }

  const server = createServer((request, response) => {
    // The target may be gone, and what the client sends may be no JSON-RPC.
    answerHttp(request, response).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (client) => pipe(client, target.replace(/^http/, 'ws')))

  /** Answers what the view has an answer to; the rest is between the client and the node. */
  function pipe(client: WebSocket, url: string): void {
    const node = new WebSocket(url)
    const opened = once(node, 'open')
    // Whichever side ends or breaks, the other one ends with it.
    opened.catch(() => client.terminate())
    node.on('error', () => client.terminate())
    client.on('error', () => node.terminate())
    node.on('close', () => client.terminate())
    client.on('close', () => node.terminate())
    node.on('message', (data: Buffer) => client.send(data.toString()))
    const receive = async (message: string): Promise<void> => {
      const request = JSON.parse(message) as RpcRequest
      await stall?.promise
      if (request.method.startsWith('eth_subscribe') || request.method.startsWith('eth_unsubscribe')) {
        await opened
        node.send(message)
      } else client.send(JSON.stringify(await view.answer(request)))
    }
    client.on('message', (data: Buffer) => void receive(data.toString()).catch(() => client.terminate()))
  }

  const drop = (): void => {
    for (const client of sockets.clients) client.terminate()
    server.closeAllConnections()
  }

  const stop = async (): Promise<void> => {
    stall?.resolve()
    const closed = once(server, 'close')
    server.close()
    drop()
    await closed
  }

  server.on('connection', (socket) => {
    if (disconnected) socket.resetAndDestroy()
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    url: `http://${HOST}:${port}`,
    wsUrl: `ws://${HOST}:${port}`,
    bodies,
    lag: view.lag,
    fail: view.fail,
    refuseRequests: (refusal) => void refusals.push({ ...refusal }),
    limitBatches(requests = Number.POSITIVE_INFINITY) {
      batchLimit = requests
    },
    stall(stalled) {
      stall?.resolve()
      stall = stalled ? Promise.withResolvers() : undefined
    },
    disconnect(disconnect) {
      disconnected = disconnect
      if (disconnect) drop()
    },
    stop: () => (stopping ??= stop()),
  }
}

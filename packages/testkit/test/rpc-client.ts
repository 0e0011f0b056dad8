import { once } from 'node:events'

import { WebSocket } from 'ws'

export interface RpcClient extends AsyncDisposable {
  readonly notifications: readonly { method: string; result: unknown }[]
  readonly closed: Promise<unknown>
  call(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Sends text as it is and resolves with the next answer that has no id of a call. */
  raw(text: string): Promise<unknown>
}

/** The least JSON-RPC client that can tell what the development chain's server really sends. */
export async function connectRpc(url: string): Promise<RpcClient> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const notifications: { method: string; result: unknown }[] = []
  const calls = new Map<unknown, (answer: { result?: unknown; error?: object }) => void>()
  const strays: ((answer: unknown) => void)[] = []
  let id = 1_000

  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString())
    if ('method' in message) notifications.push({ method: message.method, result: message.params.result })
    else (calls.get(message.id) ?? strays.shift())?.(message)
  })

  return {
    notifications,
    closed: once(socket, 'close'),
    async call(method, params = []) {
      const answer = await new Promise<{ result?: unknown; error?: object }>((resolve) => {
        calls.set(++id, resolve)
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
      })
      if (answer.error !== undefined) throw Object.assign(new Error(), answer.error)
      return answer.result
    },
    raw: (text) =>
      new Promise((resolve) => {
        strays.push(resolve)
        socket.send(text)
      }),
    async [Symbol.asyncDispose]() {
      socket.terminate()
    },
  }
}

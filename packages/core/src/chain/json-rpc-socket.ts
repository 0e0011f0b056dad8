import { WebSocket } from 'ws'

import type { RetryableError } from '../errors/blockmill-error.ts'
import { redactUrl, redactUrls } from './redact-url.ts'
import { parseAnswerError, RpcAnswerError } from './rpc-answer-error.ts'
import { parseRetryAfter } from './retry-after.ts'
import { answeredWithError, lost, timedOut, unreachable } from './rpc-failure.ts'

export interface JsonRpcSocketOptions {
  /** `ws://` or `wss://`. Never appears whole in an error. */
  readonly url: string
  /** How long the WebSocket handshake may take. */
  readonly connectTimeoutMs: number
  /** How long a request may wait for its answer. */
  readonly requestTimeoutMs: number
  /** How often the peer is asked for a sign of life. A peer that gave none since the last time is cut off. */
  readonly heartbeatMs: number
}

/** A subscription as Substrate's JSON-RPC has it: one method opens it, another ends it by its id. */
export interface RpcSubscription {
  readonly subscribe: string
  readonly unsubscribe: string
  readonly params?: readonly unknown[]
}

/**
 * One WebSocket connection that speaks JSON-RPC 2.0. It does not reconnect and caches nothing.
 *
 * Requests reject with a `RetryableError`: `CHAIN_RPC_FAILED` when the peer answers with an error, which is then the
 * `cause`; `CHAIN_UNREACHABLE` when no answer comes in time (the `cause` is then an `RpcTimeoutError`) or the connection is lost.
 */
export interface JsonRpcSocket {
  send(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Calls back with every value. Resolves, once the peer has agreed, with what ends the subscription. */
  subscribe(subscription: RpcSubscription, onValue: (value: unknown) => void): Promise<() => void>
  /** Resolves with the reason when the connection is gone, whoever ended it. Never rejects. */
  readonly closed: Promise<RetryableError>
  /**
   * Cuts the connection at once; a half-dead peer would never finish a closing handshake. `reason` completes "the connection is
   * gone: …". Idempotent.
   */
  close(reason?: string): void
}

interface PendingRequest {
  readonly method: string
  readonly settle: (result: unknown, error?: RetryableError) => void
}

/** State of a whole runtime fits; a peer that sends more is broken. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024

/**
 * Opens a connection. Rejects with a `RetryableError`, `CHAIN_UNREACHABLE`, whose `cause` is an `RpcAnswerError` when the peer
 * answered with another status than HTTP's 101; or with the signal's reason. The signal closes it later, too.
 */
export async function openJsonRpcSocket(options: JsonRpcSocketOptions, signal?: AbortSignal): Promise<JsonRpcSocket> {
  signal?.throwIfAborted()
  const { url, connectTimeoutMs } = options
  const socket = new WebSocket(url, {
    handshakeTimeout: connectTimeoutMs,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
  })
  const opened = Promise.withResolvers<void>()
  const abort = (): void => {
    opened.reject(signal?.reason)
    socket.terminate()
  }
  socket.once('open', opened.resolve)
  socket.on('error', (error) => {
    const text = redactUrls(error.message)
    opened.reject(unreachable(`Cannot connect to ${redactUrl(url)}: ${text}`))
  })
  socket.on('unexpected-response', (_request, { statusCode = 0, statusMessage = '', headers }) => {
    const answer = new RpcAnswerError(statusCode, statusMessage, parseRetryAfter(headers['retry-after'], Date.now()))
    opened.reject(unreachable(`Cannot connect to ${redactUrl(url)}: it answered with status ${statusCode}`, answer))
    socket.terminate()
  })
  signal?.addEventListener('abort', abort)
  socket.once('close', () => signal?.removeEventListener('abort', abort))
  // From the start, because the peer may speak or leave in the same breath as it opens.
  const rpc = speakJsonRpc(socket, options)
  try {
    await opened.promise
    return rpc
  } catch (error) {
    rpc.close()
    throw error
  }
}

function speakJsonRpc(socket: WebSocket, { url, requestTimeoutMs, heartbeatMs }: JsonRpcSocketOptions): JsonRpcSocket {
  const peer = redactUrl(url)
  const pending = new Map<number, PendingRequest>()
  const listeners = new Map<string, (value: unknown) => void>()
  const closed = Promise.withResolvers<RetryableError>()
  let lastId = 0
  let alive = true
  let reason = 'it was closed by the other side'

  const cut = (why: string): void => {
    reason = why
    socket.terminate()
  }

  const receive = (text: string): void => {
    const message = parseMessage(text)
    if (message === undefined) {
      cut('it sent something that is not JSON-RPC')
    } else if (message.type === 'notification') {
      // A value can still arrive for a subscription that was just ended.
      listeners.get(message.subscription)?.(message.value)
    } else {
      const request = pending.get(message.id)
      // Undefined when the answer came after its time-out.
      request?.settle(message.result, message.error && answeredWithError(peer, request.method, message.error))
    }
  }

  const request = <T>(method: string, params: readonly unknown[], use: (result: unknown) => T): Promise<T> => {
    const id = ++lastId
    const answer = Promise.withResolvers<T>()
    const timer = setTimeout(() => {
      settle(undefined, timedOut(peer, method, requestTimeoutMs))
    }, requestTimeoutMs)
    const settle = (result: unknown, error?: RetryableError): void => {
      clearTimeout(timer)
      pending.delete(id)
      if (error === undefined) answer.resolve(use(result))
      else answer.reject(error)
    }
    pending.set(id, { method, settle })
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    else settle(undefined, lost(peer, method, reason))
    return answer.promise
  }

  const heartbeat = setInterval(() => {
    if (!alive) cut(`it gave no sign of life for ${heartbeatMs} ms`)
    else if (socket.readyState === WebSocket.OPEN) {
      alive = false
      socket.ping()
    }
  }, heartbeatMs)

  socket.on('error', (error) => {
    reason = redactUrls(error.message)
  })
  socket.on('pong', () => (alive = true))
  socket.on('message', (data: Buffer) => {
    alive = true
    receive(data.toString())
  })
  socket.on('close', () => {
    clearInterval(heartbeat)
    listeners.clear()
    for (const { method, settle } of pending.values()) settle(undefined, lost(peer, method, reason))
    closed.resolve(unreachable(`The connection to ${peer} is gone: ${reason}.`))
  })

  return {
    send: (method, params = []) => request(method, params, (result) => result),

    subscribe: ({ subscribe, unsubscribe, params = [] }, onValue) =>
      // Listens within the answer's own turn: the first value may follow in the same packet.
      request(subscribe, params, (result) => {
        const id = String(result)
        listeners.set(id, onValue)
        return () => {
          // The peer forgets a subscription with its connection, so a failure here changes nothing.
          if (listeners.delete(id)) request(unsubscribe, [result], () => undefined).catch(() => undefined)
        }
      }),

    closed: closed.promise,
    close: (why = 'it was closed by this side') => cut(why),
  }
}

type RpcMessage =
  | { readonly type: 'notification'; readonly subscription: string; readonly value: unknown }
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown; readonly error?: RpcAnswerError }

/** `undefined` when the text is not what JSON-RPC 2.0 allows a peer to send. */
function parseMessage(text: string): RpcMessage | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(body)) return undefined
  if ('method' in body) {
    const { params } = body
    return isRecord(params)
      ? { type: 'notification', subscription: String(params['subscription']), value: params['result'] }
      : undefined
  }
  const { id, result, error } = body
  if (typeof id !== 'number') return undefined
  if (!isRecord(error)) return { type: 'answer', id, result: result ?? null }
  return { type: 'answer', id, result: undefined, error: parseAnswerError(error) }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

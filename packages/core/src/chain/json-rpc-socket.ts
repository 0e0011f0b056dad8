import { WebSocket } from 'ws'

import type { RetryableError } from '../errors/blockmill-error.ts'
import { encodeRequest, errorOf, isRecord, parseJson, resultOf, rpcPeer } from './json-rpc-message.ts'
import { redactUrl, redactUrls } from './redact-url.ts'
import { RpcAnswerError } from './rpc-answer-error.ts'
import { parseRetryAfter } from './retry-after.ts'
import { lost, timedOut, unreachable } from './rpc-failure.ts'

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
 * `cause`; `CHAIN_DATA_INVALID` when it answers with neither an error nor a result; `CHAIN_UNREACHABLE` when no answer comes in time
 * (the `cause` is then an `RpcTimeoutError`) or the connection is lost. With a `NonRetryableError`, `CHAIN_DATA_INVALID`, for
 * parameters that JSON does not have.
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
  readonly answer: (body: unknown) => void
  readonly fail: (error: RetryableError) => void
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
    rpc.close()
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
  const peer = rpcPeer(url)
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
    switch (message.type) {
      case 'notification':
        // A value can still arrive for a subscription that was just ended.
        listeners.get(message.subscription)?.(message.value)
        break
      case 'answer':
        // Undefined when the answer came after its time-out.
        pending.get(message.id)?.answer(message.body)
        break
      case 'other': {
        // It may be about any request in flight, which would wait in vain.
        const error = errorOf(message.body, peer.redact)
        const answered = error && `it answered no request in particular with error ${error.code}: ${error.message}`
        cut(answered ?? 'it sent something that is not JSON-RPC')
      }
    }
  }

  const request = async <T>(method: string, params: readonly unknown[], use: (result: unknown) => T): Promise<T> => {
    const id = ++lastId
    const text = encodeRequest(id, method, params)
    const result = Promise.withResolvers<T>()
    const end = (): void => {
      clearTimeout(timer)
      pending.delete(id)
    }
    const fail = (error: RetryableError): void => {
      end()
      result.reject(error)
    }
    const answer = (body: unknown): void => {
      end()
      try {
        result.resolve(use(resultOf(peer, method, body)))
      } catch (error) {
        result.reject(error)
      }
    }
    const timer = setTimeout(() => fail(timedOut(peer.label, method, requestTimeoutMs)), requestTimeoutMs)
    pending.set(id, { method, answer, fail })
    if (socket.readyState === WebSocket.OPEN) socket.send(text)
    else fail(lost(peer.label, method, reason))
    return result.promise
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
    for (const { method, fail } of pending.values()) fail(lost(peer.label, method, reason))
    closed.resolve(unreachable(`The connection to ${peer.label} is gone: ${reason}.`))
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
  | { readonly type: 'answer'; readonly id: number; readonly body: unknown }
  /** Not for anyone in particular, or not what JSON-RPC 2.0 allows a peer to send. */
  | { readonly type: 'other'; readonly body: unknown }

function parseMessage(text: string): RpcMessage {
  const body = parseJson(text)
  if (!isRecord(body)) return { type: 'other', body }
  const { id, method, params } = body
  if (method === undefined) return typeof id === 'number' ? { type: 'answer', id, body } : { type: 'other', body }
  if (!isRecord(params)) return { type: 'other', body }
  const { subscription, result } = params
  return typeof subscription === 'string' || typeof subscription === 'number'
    ? { type: 'notification', subscription: String(subscription), value: result }
    : { type: 'other', body }
}

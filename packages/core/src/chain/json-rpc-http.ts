import { STATUS_CODES } from 'node:http'

import { RetryableError } from '../errors/blockmill-error.ts'
import { createHttpPost, type HttpAnswer, isAnswerTooLarge, isPostTimeout } from './http-post.ts'
import type { JsonRpcSocket, JsonRpcSocketOptions } from './json-rpc-socket.ts'
import { redactUrl, redactUrls } from './redact-url.ts'
import { isRateLimit, parseAnswerError, RpcAnswerError } from './rpc-answer-error.ts'
import { answeredWithError, lost, timedOut, unreachable } from './rpc-failure.ts'

/** Requests in one body. Public endpoints take some hundreds; the connection has rarely more in flight. */
const MAX_BATCH = 100
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const TOO_LARGE = new RpcAnswerError(413, 'The answer is larger than 256 MiB.')
/** Cheap everywhere. An error is as good a sign of life as an answer. */
const PROBE = 'eth_chainId'
const TOO_MANY_REQUESTS = 429
/** What servers say with HTTP's own words to a batch that is not wanted, or is too large. */
const BATCH_REFUSALS = [400, 405, 406, 413, 415, 422, 501]

interface WaitingRequest {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
  readonly resolve: (result: unknown) => void
  readonly reject: (error: RetryableError) => void
}

/**
 * JSON-RPC 2.0 over HTTP, behind the same interface as a WebSocket, with its errors. Nothing is sent before the first request.
 *
 * - Requests made in one turn of the event loop travel in one body, up to 100. An endpoint that refuses a batch gets smaller
 *   ones, and in the end single requests, for as long as this connection lasts.
 * - Status 429 rejects with `CHAIN_RPC_FAILED`; the `cause` has the time that `Retry-After` asks for. So does every other status
 *   that comes without a JSON-RPC answer.
 * - When the endpoint cannot be reached, or is silent for two heartbeats, the connection counts as closed.
 * - There are no subscriptions: `subscribe` rejects with code -32601, "method not found".
 */
export async function openJsonRpcHttp(options: JsonRpcSocketOptions, signal?: AbortSignal): Promise<JsonRpcSocket> {
  signal?.throwIfAborted()
  const { url, requestTimeoutMs, heartbeatMs } = options
  const peer = redactUrl(url)
  const http = createHttpPost({ ...options, maxAnswerBytes: MAX_ANSWER_BYTES })
  const closed = Promise.withResolvers<RetryableError>()
  const waiting: WaitingRequest[] = []
  let flushing: NodeJS.Immediate | undefined
  let batchLimit = MAX_BATCH
  let lastId = 0
  let silentHeartbeats = 0
  let goneBecause: string | undefined

  const cut = (reason: string): void => {
    if (goneBecause !== undefined) return
    goneBecause = reason
    clearInterval(heartbeat)
    signal?.removeEventListener('abort', abort)
    for (const { method, reject } of waiting.splice(0)) reject(lost(peer, method, reason))
    // Rejects what is in flight, which then names the reason above.
    http.destroy()
    closed.resolve(unreachable(`The connection to ${peer} is gone: ${reason}.`))
  }
  const abort = (): void => cut('it was closed by this side')

  const exchange = async (requests: readonly WaitingRequest[]): Promise<void> => {
    const [first] = requests
    if (first === undefined) return
    const bodies = requests.map(({ id, method, params }) => ({ jsonrpc: '2.0', id, method, params }))
    const body = JSON.stringify(requests.length === 1 ? bodies[0] : bodies)
    const fail = (errorOf: (method: string) => RetryableError): void => {
      for (const { method, reject } of requests) reject(errorOf(method))
    }
    let answer: HttpAnswer
    try {
      answer = await http.post(body)
    } catch (error) {
      if (goneBecause === undefined && isPostTimeout(error))
        return fail((method) => timedOut(peer, method, requestTimeoutMs))
      if (isAnswerTooLarge(error)) return fail((method) => answeredWithError(peer, method, TOO_LARGE))
      cut(redactUrls(error instanceof Error ? error.message : String(error)))
      return fail((method) => lost(peer, method, goneBecause ?? ''))
    }
    const refusal = refusalOf(answer, requests.length > 1)
    if (refusal === undefined || refusal.code < 500) silentHeartbeats = 0
    if (refusal !== undefined) return fail((method) => answeredWithError(peer, method, refusal))
    if (requests.length === 1) return settle(peer, first, answer)
    if (!Array.isArray(answer.body) || answer.body.length === 1) {
      batchLimit = Math.max(1, Math.min(batchLimit, Math.floor(requests.length / 2)))
      return enqueue(requests)
    }
    const answers = new Map(answer.body.map((one: unknown) => [isRecord(one) ? one['id'] : undefined, one]))
    for (const request of requests) settle(peer, request, { ...answer, body: answers.get(request.id) })
  }

  const enqueue = (requests: readonly WaitingRequest[]): void => {
    if (goneBecause !== undefined) {
      for (const { method, reject } of requests) reject(lost(peer, method, goneBecause))
      return
    }
    waiting.push(...requests)
    flushing ??= setImmediate(() => {
      flushing = undefined
      while (waiting.length > 0) void exchange(waiting.splice(0, batchLimit))
    })
  }

  const send = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    new Promise((resolve, reject) => enqueue([{ id: ++lastId, method, params, resolve, reject }]))

  const heartbeat = setInterval(() => {
    if (silentHeartbeats >= 2) return cut(`it gave no sign of life for ${2 * heartbeatMs} ms`)
    // Whoever is asked all the time need not be asked for this, too. What fails shows in the next turn.
    if (silentHeartbeats === 1) send(PROBE).catch(() => undefined)
    silentHeartbeats += 1
  }, heartbeatMs)
  signal?.addEventListener('abort', abort)

  return {
    send,
    subscribe: ({ subscribe }) => {
      const cause = new RpcAnswerError(-32_601, 'HTTP has no subscriptions. Give a ws:// or wss:// URL to have them.')
      return Promise.reject(answeredWithError(peer, subscribe, cause))
    },
    closed: closed.promise,
    close: (reason = 'it was closed by this side') => cut(reason),
  }
}

/** Why nothing of what was asked is answered; `undefined` when the body is to be looked at, or is a batch that was not wanted. */
function refusalOf({ status, retryAfterMs, body }: HttpAnswer, isBatch: boolean): RpcAnswerError | undefined {
  const error = isRecord(body) && isRecord(body['error']) ? parseAnswerError(body['error']) : undefined
  if (status === TOO_MANY_REQUESTS) {
    const text = error?.message ?? 'Too Many Requests'
    return new RpcAnswerError(status, text, retryAfterMs ?? error?.retryAfterMs)
  }
  if (error !== undefined) return isRateLimit(error) ? error : undefined
  if (Array.isArray(body) || (isRecord(body) && 'result' in body)) return undefined
  if (isBatch && BATCH_REFUSALS.includes(status)) return undefined
  return status >= 200 && status < 300
    ? undefined
    : new RpcAnswerError(status, STATUS_CODES[status] ?? 'unknown status', retryAfterMs)
}

function settle(peer: string, { method, resolve, reject }: WaitingRequest, { body }: HttpAnswer): void {
  if (isRecord(body) && isRecord(body['error'])) {
    reject(answeredWithError(peer, method, parseAnswerError(body['error'])))
  } else if (isRecord(body) && 'result' in body) {
    resolve(body['result'] ?? null)
  } else {
    reject(new RetryableError('CHAIN_DATA_INVALID', `${peer} answered ${method} with something that is not JSON-RPC.`))
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

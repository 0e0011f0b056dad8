import { STATUS_CODES } from 'node:http'

import type { RetryableError } from '../errors/blockmill-error.ts'
import { batchSize, initialBatchLimit, lowerBatchLimit } from './batch-limit.ts'
import { createHttpPost, type HttpAnswer, isAnswerTooLarge, isPostTimeout } from './http-post.ts'
import { encodeRequest, errorOf, isRecord, parseJson, resultOf, type RpcPeer, rpcPeer } from './json-rpc-message.ts'
import type { JsonRpcSocket, JsonRpcSocketOptions } from './json-rpc-socket.ts'
import { isRateLimit, RpcAnswerError } from './rpc-answer-error.ts'
import { answeredWithError, lost, timedOut, unreachable } from './rpc-failure.ts'

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
  /** As it is sent. */
  readonly text: string
  readonly resolve: (result: unknown) => void
  readonly reject: (reason: unknown) => void
}

/**
 * JSON-RPC 2.0 over HTTP, behind the same interface as a WebSocket, with its errors. Nothing is sent before the first request.
 *
 * - Requests made in one turn of the event loop travel in one body, up to 100. An endpoint that refuses a batch gets smaller
 *   ones, and in the end single requests, for ten minutes.
 * - Status 429 rejects with `CHAIN_RPC_FAILED`; the `cause` has the time that `Retry-After` asks for. So does every other status
 *   that comes without a JSON-RPC answer.
 * - When the endpoint cannot be reached, or is silent for two heartbeats, the connection counts as closed.
 * - There are no subscriptions: `subscribe` rejects with code -32601, "method not found".
 */
export async function openJsonRpcHttp(options: JsonRpcSocketOptions, signal?: AbortSignal): Promise<JsonRpcSocket> {
  signal?.throwIfAborted()
  const { url, requestTimeoutMs, heartbeatMs } = options
  const peer = rpcPeer(url)
  const http = createHttpPost({ ...options, maxAnswerBytes: MAX_ANSWER_BYTES })
  const closed = Promise.withResolvers<RetryableError>()
  const waiting: WaitingRequest[] = []
  let flushing: NodeJS.Immediate | undefined
  let batchLimit = initialBatchLimit
  let lastId = 0
  let silentHeartbeats = 0
  /** The server wants to be left alone until then. */
  let quietUntilMs = 0
  let goneBecause: string | undefined

  const cut = (reason: string): void => {
    if (goneBecause !== undefined) return
    goneBecause = reason
    clearInterval(heartbeat)
    signal?.removeEventListener('abort', abort)
    for (const { method, reject } of waiting.splice(0)) reject(lost(peer.label, method, reason))
    // Rejects what is in flight, which then names the reason above.
    http.destroy()
    closed.resolve(unreachable(`The connection to ${peer.label} is gone: ${reason}.`))
  }
  const abort = (): void => cut('it was closed by this side')

  /** Settles each of the requests, or makes it wait for the next turn. Never rejects. */
  const exchange = async (requests: readonly WaitingRequest[]): Promise<void> => {
    const texts = requests.map(({ text }) => text)
    const fail = (errorFor: (method: string) => RetryableError): void => {
      for (const { method, reject } of requests) reject(errorFor(method))
    }
    let answer: HttpAnswer
    try {
      answer = await http.post(requests.length === 1 ? texts.join() : `[${texts.join()}]`)
    } catch (error) {
      if (goneBecause === undefined && isPostTimeout(error))
        return fail((method) => timedOut(peer.label, method, requestTimeoutMs))
      if (isAnswerTooLarge(error)) return fail((method) => answeredWithError(peer.label, method, TOO_LARGE))
      cut(peer.redact(error instanceof Error ? error.message : String(error)))
      return fail((method) => lost(peer.label, method, goneBecause ?? ''))
    }
    const body = parseJson(answer.body)
    const refusal = refusalOf(answer, { body, redact: peer.redact, isBatch: requests.length > 1 })
    if (refusal === undefined || refusal.code < 500) silentHeartbeats = 0
    if (refusal !== undefined) {
      quietUntilMs = Math.max(quietUntilMs, performance.now() + (refusal.retryAfterMs ?? 0))
      return fail((method) => answeredWithError(peer.label, method, refusal))
    }
    if (requests.length === 1) return settle(peer, requests, [body])
    if (!Array.isArray(body) || body.length === 1) {
      batchLimit = lowerBatchLimit(batchLimit, requests.length, performance.now())
      return enqueue(requests)
    }
    const answers = new Map(body.map((one: unknown) => [isRecord(one) ? one['id'] : undefined, one]))
    settle(
      peer,
      requests,
      requests.map(({ id }) => answers.get(id)),
    )
  }

  const enqueue = (requests: readonly WaitingRequest[]): void => {
    if (goneBecause !== undefined) {
      for (const { method, reject } of requests) reject(lost(peer.label, method, goneBecause))
      return
    }
    waiting.push(...requests)
    flushing ??= setImmediate(() => {
      flushing = undefined
      const size = batchSize(batchLimit, performance.now())
      while (waiting.length > 0) void exchange(waiting.splice(0, size))
    })
  }

  const send = async (method: string, params: readonly unknown[] = []): Promise<unknown> => {
    const id = ++lastId
    const text = encodeRequest(id, method, params)
    return new Promise((resolve, reject) => enqueue([{ id, method, text, resolve, reject }]))
  }

  const heartbeat = setInterval(() => {
    if (performance.now() < quietUntilMs) return
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
      return Promise.reject(answeredWithError(peer.label, subscribe, cause))
    },
    closed: closed.promise,
    close: (reason = 'it was closed by this side') => cut(reason),
  }
}

interface HttpReply {
  /** Parsed. */
  readonly body: unknown
  readonly redact: RpcPeer['redact']
  /** Whether more than one request was sent. */
  readonly isBatch: boolean
}

/** Why nothing of what was asked is answered; `undefined` when the body is to be looked at, or is a batch that was not wanted. */
function refusalOf(
  { status, retryAfterMs }: HttpAnswer,
  { body, redact, isBatch }: HttpReply,
): RpcAnswerError | undefined {
  // Some put the error for the whole into a list.
  const error = errorOf(isBatch && Array.isArray(body) && body.length === 1 ? body[0] : body, redact)
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

/** Gives each request its answer, in the same place of the other list. */
function settle(peer: RpcPeer, requests: readonly WaitingRequest[], answers: readonly unknown[]): void {
  for (const [index, { method, resolve, reject }] of requests.entries()) {
    try {
      resolve(resultOf(peer, method, answers[index]))
    } catch (error) {
      reject(error)
    }
  }
}

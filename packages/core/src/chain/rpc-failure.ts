import { RetryableError } from '../errors/blockmill-error.ts'
import { RpcAnswerError } from './rpc-answer-error.ts'

/** The `cause` of a `CHAIN_UNREACHABLE` when the peer was there, but took too long. */
export class RpcTimeoutError extends Error {
  override get name(): string {
    return 'RpcTimeoutError'
  }
}

/** No answer: there is no connection, or it is gone. */
export function unreachable(text: string, cause?: unknown): RetryableError {
  return new RetryableError('CHAIN_UNREACHABLE', text, { cause })
}

/** No answer in time. `peer` is a redacted URL. */
export function timedOut(peer: string, method: string, limitMs: number): RetryableError {
  const cause = new RpcTimeoutError(`No answer within ${limitMs} ms.`)
  return unreachable(`${peer} did not answer ${method} within ${limitMs} ms.`, cause)
}

/** The connection was lost before the answer. `peer` is a redacted URL. */
export function lost(peer: string, method: string, reason: string): RetryableError {
  return unreachable(`${peer} was lost before it answered ${method}: ${reason}.`)
}

/** The peer answered, with an error. `peer` is a redacted URL. */
export function answeredWithError(peer: string, method: string, cause: RpcAnswerError): RetryableError {
  const text = `${peer} answered ${method} with error ${cause.code}: ${cause.message}`
  return new RetryableError('CHAIN_RPC_FAILED', text, { cause })
}

/** What the node answered, when it is an answer that made a request or a try to connect fail. */
export function answerOf(error: unknown): RpcAnswerError | undefined {
  return error instanceof RetryableError && error.cause instanceof RpcAnswerError ? error.cause : undefined
}

/** Whether a request failed because its answer took too long. */
export function isTimeout(error: unknown): boolean {
  return error instanceof RetryableError && error.cause instanceof RpcTimeoutError
}

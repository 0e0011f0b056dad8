import { NonRetryableError, RetryableError } from '../errors/blockmill-error.ts'
import { redactorOf, redactUrl } from './redact-url.ts'
import { parseAnswerError, type RpcAnswerError } from './rpc-answer-error.ts'
import { answeredWithError } from './rpc-failure.ts'

/** Who is at the other end of a connection, as errors show it. */
export interface RpcPeer {
  /** The redacted URL. */
  readonly label: string
  /** Removes from a text what is secret in the peer's URL. */
  readonly redact: (text: string) => string
}

export function rpcPeer(url: string): RpcPeer {
  return { label: redactUrl(url), redact: redactorOf(url) }
}

/**
 * A request of JSON-RPC 2.0.
 * @throws NonRetryableError `CHAIN_DATA_INVALID` for parameters that JSON does not have.
 */
export function encodeRequest(id: number, method: string, params: readonly unknown[]): string {
  try {
    return JSON.stringify({ jsonrpc: '2.0', id, method, params })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const text = `The parameters of ${method} cannot be written as JSON: ${why}. Give numbers and bytes as text that begins with 0x.`
    throw new NonRetryableError('CHAIN_DATA_INVALID', text, { cause: error })
  }
}

/**
 * The result that an answer carries, `null` included.
 * @throws RetryableError `CHAIN_RPC_FAILED` when it carries an error instead, `CHAIN_DATA_INVALID` when it carries neither.
 */
export function resultOf({ label, redact }: RpcPeer, method: string, body: unknown): unknown {
  const error = errorOf(body, redact)
  if (error !== undefined) throw answeredWithError(label, method, error)
  if (isRecord(body) && 'result' in body) return body['result'] ?? null
  throw new RetryableError('CHAIN_DATA_INVALID', `${label} answered ${method} with something that is not JSON-RPC.`)
}

/** The error that an answer carries. */
export function errorOf(body: unknown, redact: RpcPeer['redact']): RpcAnswerError | undefined {
  if (!isRecord(body)) return undefined
  const { error } = body
  if (isRecord(error)) return parseAnswerError(error, redact)
  // Not as JSON-RPC has it; gateways do that.
  return typeof error === 'string' ? parseAnswerError({ code: SERVER_ERROR, message: error }, redact) : undefined
}

/** For an error without a code. */
const SERVER_ERROR = -32_000

/** What a text says in JSON; `undefined` when it is not JSON, such as a page of HTML. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

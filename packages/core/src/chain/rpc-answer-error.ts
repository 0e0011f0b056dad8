import { redactUrls } from './redact-url.ts'
import { retryAfterOf } from './retry-after.ts'

/** The `cause` of a `CHAIN_RPC_FAILED`: what the node answered. */
export class RpcAnswerError extends Error {
  /** Code of JSON-RPC 2.0, or the node's own; the HTTP status where that says that the request failed. */
  readonly code: number
  /** How long the node wants to be left alone, where it said so. Milliseconds. */
  readonly retryAfterMs: number | undefined
  /** What the node added for programs: what a call was reverted with, on EVM. Never in a log as it is. */
  readonly data: unknown

  constructor(code: number, message: string, retryAfterMs?: number, data?: unknown) {
    super(message)
    this.code = code
    this.retryAfterMs = retryAfterMs
    // Not enumerable, so that it does not end in logs: it has no limit of size, and may hold keys.
    Object.defineProperty(this, 'data', { value: data, enumerable: false })
  }

  override get name(): string {
    return 'RpcAnswerError'
  }
}

/** Nodes answer with whole traces at times. */
const MAX_TEXT = 500

/** Reads the `error` of a JSON-RPC 2.0 answer: code, message, and data where there is any. Its text is redacted. */
export function parseAnswerError(
  { code, message, data }: Readonly<Record<string, unknown>>,
  redact: (text: string) => string = redactUrls,
): RpcAnswerError {
  const detail = data === undefined ? '' : ` (${textOf(data)})`
  // Before it is cut short: half a key is not recognised as one.
  const text = redact(`${textOf(message)}${detail}`.slice(0, 2 * MAX_TEXT)).slice(0, MAX_TEXT)
  return new RpcAnswerError(Number(code), text, retryAfterOf(data), data)
}

/** What came as JSON, as text. Too deep for that is only what was made to do harm. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  try {
    return JSON.stringify(value) ?? 'no message'
  } catch {
    return 'unreadable'
  }
}

/** HTTP's 429, and what providers answer in its place: see `isRateLimit`. */
const TOO_MANY_REQUESTS = 429
const RATE_LIMIT_CODES = [TOO_MANY_REQUESTS, -32_029]
/** EIP-1474's "limit exceeded", which some nodes use for answers that would be too large, too. */
const LIMIT_EXCEEDED = -32_005
const RATE_TEXT = /rate.?limit|too many requests|requests? (limit|rate)|per second|\brps\b|compute units|throughput/i
const SIZE_TEXT = /results|range|logs|response size|blocks/i
/** What follows is the words of a contract, which may speak of limits of its own. Code 3 says the same. */
const REVERT_TEXT = /\brevert(ed)?\b/i
const REVERTED = 3
const SERVICE_UNAVAILABLE = 503

/**
 * Whether the node answered so because it is asked too often. The same request can work a little later, and asking on at the
 * same pace makes it worse. Codes: 429, -32029, and -32005 unless its text speaks of the size of the answer; else the text says so.
 * HTTP's 503 is one when it tells the time at which it ends. From 1000 to 9999 are Substrate's codes for what the chain itself
 * refuses, such as a transaction over a limit of its runtime.
 */
export function isRateLimit({ code, message, retryAfterMs }: RpcAnswerError): boolean {
  if ((code >= 1_000 && code <= 9_999) || code === REVERTED || REVERT_TEXT.test(message)) return false
  if (code === SERVICE_UNAVAILABLE) return retryAfterMs !== undefined
  if (RATE_LIMIT_CODES.includes(code) || RATE_TEXT.test(message)) return true
  return code === LIMIT_EXCEEDED && !SIZE_TEXT.test(message)
}

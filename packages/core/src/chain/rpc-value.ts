import { RetryableError } from '../errors/blockmill-error.ts'

const HASH = /^0x[0-9a-f]{64}$/

/** A block hash in an answer: 0x and 64 hex digits. Throws a `RetryableError`, `CHAIN_DATA_INVALID`, for anything else. */
export function parseHash(value: unknown): string {
  if (typeof value === 'string' && HASH.test(value)) return value
  throw invalidAnswer('a block hash', value)
}

/** For an answer that is not `what` it should be. Retryable, because another node or the same one later may do better. */
export function invalidAnswer(what: string, value: unknown): RetryableError {
  const shown = (JSON.stringify(value) ?? 'nothing').slice(0, 200)
  return new RetryableError('CHAIN_DATA_INVALID', `The node answered with something that is not ${what}: ${shown}`)
}

import type { BlockHeader, ChainBlock } from './chain-source.ts'
import { invalidAnswer, parseHash } from './rpc-value.ts'

const QUANTITY = /^0x[0-9a-f]+$/i
/** Dates end there, in milliseconds. */
const LAST_DATE_MS = 8.64e15

/** A number as EVM nodes take it: hex, without leading zeros. */
export function quantity(number: number): `0x${string}` {
  return `0x${number.toString(16)}`
}

/**
 * A number as EVM nodes answer it. Throws a `RetryableError`, `CHAIN_DATA_INVALID`, for what is not hex, and for what is too
 * large for a `number`: no block has such a number or time.
 *
 * @param what for the error, with its article: `a block number`.
 */
export function parseQuantity(value: unknown, what: string): number {
  const number = typeof value === 'string' && QUANTITY.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(number)) throw invalidAnswer(what, value)
  return number
}

/** A block as `eth_getBlockByNumber` answers it, of which only the header is read. Throws like `parseQuantity`. */
export function parseEvmBlock(value: unknown): ChainBlock & { readonly timestamp: Date } {
  if (typeof value !== 'object' || value === null || !('number' in value) || !('hash' in value))
    throw invalidAnswer('a block', value)
  const seconds = parseQuantity('timestamp' in value ? value.timestamp : undefined, 'a block time')
  if (seconds * 1_000 > LAST_DATE_MS) throw invalidAnswer('a block time', seconds)
  return {
    number: parseQuantity(value.number, 'a block number'),
    hash: parseHash(value.hash),
    parentHash: parseHash('parentHash' in value ? value.parentHash : undefined),
    timestamp: new Date(seconds * 1_000),
  }
}

/** Only the header of a block. */
export function headerOf({ number, hash, parentHash }: ChainBlock): BlockHeader {
  return { number, hash, parentHash }
}

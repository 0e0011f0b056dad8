import type { BlockHeader } from './chain-source.ts'
import { invalidAnswer, parseHash } from './rpc-value.ts'

/** Storage key of `timestamp.now`: twox128 of the pallet's name and of the entry's. */
export const TIMESTAMP_NOW_KEY = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb'

const NUMBER = /^0x[0-9a-f]+$/
const U64 = /^0x[0-9a-f]{16}$/

/** The answer to `chain_getBlockHash`, which is `null` where there is no block yet. */
export function parseBlockHash(value: unknown): string | undefined {
  return value === null ? undefined : parseHash(value)
}

/** The answer to `chain_getHeader` for the block of this hash. */
export function parseHeader(value: unknown, hash: string): BlockHeader {
  if (typeof value !== 'object' || value === null || !('number' in value) || !('parentHash' in value))
    throw invalidAnswer('a block header', value)
  const number = typeof value.number === 'string' && NUMBER.test(value.number) ? Number(value.number) : undefined
  if (!Number.isSafeInteger(number) || number === undefined) throw invalidAnswer('a block number', value.number)
  return { number, hash, parentHash: parseHash(value.parentHash) }
}

/** The stored `timestamp.now`: milliseconds since 1970, as 8 bytes, least first. `undefined` on a chain without that pallet. */
export function parseTimestamp(value: unknown): Date | undefined {
  if (value === null) return undefined
  if (typeof value !== 'string' || !U64.test(value)) throw invalidAnswer('a timestamp', value)
  const time = new Date(Number(Buffer.from(value.slice(2), 'hex').readBigUInt64LE()))
  if (Number.isNaN(time.getTime())) throw invalidAnswer('a timestamp', value)
  return time
}

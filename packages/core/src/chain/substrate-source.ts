import { LRUCache } from 'lru-cache'

import { RetryableError } from '../errors/blockmill-error.ts'
import { type ChainConnectionOptions, createChainConnection } from './chain-connection.ts'
import type { BlockHeader, ChainBlock, ChainSource } from './chain-source.ts'
import { type FollowedConnection, followConnection } from './followed-connection.ts'
import { parseBlockHash, parseHeader, parseTimestamp, TIMESTAMP_NOW_KEY } from './substrate-rpc.ts'
import { answerOf } from './rpc-failure.ts'
import { invalidAnswer, parseHash } from './rpc-value.ts'
import { substrateProtocol } from './substrate-protocol.ts'

/** A `ChainSource` over a Substrate node's WebSocket. */
export type SubstrateSource = ChainSource & FollowedConnection

/** Headers kept, by hash. A poll that finds the same head asks for it once only. */
const HEADERS_KEPT = 1_000
/** Block numbers in one request; nodes limit the size of a message. */
const HASHES_PER_REQUEST = 5_000

const HEAD_SUBSCRIPTIONS = [
  { subscribe: 'chain_subscribeNewHeads', unsubscribe: 'chain_unsubscribeNewHeads' },
  { subscribe: 'chain_subscribeFinalizedHeads', unsubscribe: 'chain_unsubscribeFinalizedHeads' },
]

export type SubstrateSourceOptions = Omit<ChainConnectionOptions, 'protocol'>

/** Follows a Substrate chain by raw RPC. Options and errors are those of its connection. */
export function createSubstrateSource(options: SubstrateSourceOptions): SubstrateSource {
  const { logger } = options
  const connection = createChainConnection({ ...options, protocol: substrateProtocol })
  const headers = new LRUCache<string, BlockHeader>({ max: HEADERS_KEPT })

  const followed = followConnection({ connection, subscriptions: HEAD_SUBSCRIPTIONS, logger })

  const header = async (hash: string): Promise<BlockHeader> => {
    const known = headers.get(hash)
    if (known !== undefined) return known
    const answer = await connection.send('chain_getHeader', [hash])
    if (answer === null) throw new RetryableError('CHAIN_RPC_FAILED', `The node has no header of block ${hash}.`)
    const read = parseHeader(answer, hash)
    headers.set(hash, read)
    return read
  }

  const timestamp = async (hash: string): Promise<Date | undefined> => {
    try {
      return parseTimestamp(await connection.send('state_getStorage', [TIMESTAMP_NOW_KEY, hash]))
    } catch (error) {
      // A node that keeps no old state still has the block, and its time is not worth failing for.
      if (isStateDiscarded(error)) return undefined
      throw error
    }
  }

  const hashes = async (numbers: readonly number[]): Promise<(string | undefined)[]> => {
    const found: (string | undefined)[] = []
    for (let start = 0; start < numbers.length; start += HASHES_PER_REQUEST) {
      const asked = numbers.slice(start, start + HASHES_PER_REQUEST)
      const answer = await connection.send('chain_getBlockHash', [asked])
      if (!Array.isArray(answer) || answer.length !== asked.length)
        throw new RetryableError('CHAIN_DATA_INVALID', `The node did not answer with ${asked.length} block hashes.`)
      found.push(...answer.map(parseBlockHash))
    }
    return found
  }

  return {
    ...followed,
    head: async () => header(parseHash(await connection.send('chain_getBlockHash', []))),
    finalized: async () => header(parseHash(await connection.send('chain_getFinalizedHead', []))),
    async block(number): Promise<ChainBlock | undefined> {
      const hash = parseBlockHash(await connection.send('chain_getBlockHash', [number]))
      if (hash === undefined) return undefined
      const [found, time] = await Promise.all([header(hash), timestamp(hash)])
      if (found.number !== number) throw invalidAnswer(`block ${number}`, found)
      return time === undefined ? found : { ...found, timestamp: time }
    },
    hashes,
  }
}

function isStateDiscarded(error: unknown): boolean {
  const answer = answerOf(error)
  return answer !== undefined && substrateProtocol.isStateDiscarded(answer)
}

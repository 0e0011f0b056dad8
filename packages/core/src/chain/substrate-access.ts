import type { ApiDecoration } from '@polkadot/api/types'
import type { EventRecord } from '@polkadot/types/interfaces'
import type { Codec } from '@polkadot/types/types'
import type { Vec } from '@polkadot/types'

import { NonRetryableError, RetryableError } from '../errors/blockmill-error.ts'
import type { BlockRef, SubstrateAccess, SubstrateBlock } from './chain-access.ts'
import type { BlockHeader } from './chain-source.ts'
import { createPromiseCache } from './promise-cache.ts'
import { createRuntimeCache } from './runtime-cache.ts'
import type { ChainConnection } from './chain-connection.ts'
import { parseBlockHash, parseHeader } from './substrate-rpc.ts'
import type { Runtime } from './substrate-runtime.ts'

export interface SubstrateAccessOptions {
  /** The name that the chain was given. */
  readonly id: string
  /** Shared with others of the process; not closed here. */
  readonly connection: ChainConnection
  /** How many runtimes are kept, at 10 to 16 MB each. Default 8. */
  readonly maxRuntimes?: number
  /** How many decorated APIs are kept, at 0.4 MB each. Default 64. */
  readonly maxBlockApis?: number
}

/** Headers and runtime names kept, by block hash. */
const BLOCKS_KEPT = 4_096

/**
 * What task code gets as `chain` on a Substrate chain. Opens nothing by itself, and imports `@polkadot/api` on first use, which
 * takes about a second.
 */
export function createSubstrateAccess({
  id,
  connection,
  maxRuntimes = 8,
  maxBlockApis = 64,
}: SubstrateAccessOptions): SubstrateAccess {
  const runtimes = createRuntimeCache({ connection, maxRuntimes, maxBlocks: BLOCKS_KEPT })
  const headers = createPromiseCache<BlockHeader>(BLOCKS_KEPT)
  const apis = createPromiseCache<ApiDecoration<'promise'>>(maxBlockApis)

  const hashOf = async (block: BlockRef): Promise<string> => {
    if (typeof block === 'object' && block.hash !== undefined) return block.hash
    const number = typeof block === 'object' ? block.number : block
    const hash = parseBlockHash(await connection.send('chain_getBlockHash', [number]))
    if (hash === undefined)
      throw new RetryableError('CHAIN_RPC_FAILED', `Chain '${id}' has no block ${number}, or not yet.`)
    return hash
  }

  const loadHeader = async (hash: string): Promise<BlockHeader> => {
    const answer = await connection.send('chain_getHeader', [hash])
    if (answer === null) throw unknownBlock(id, hash)
    return parseHeader(answer, hash)
  }

  /** The runtime that executed a block. Genesis was not executed and has no parent: its own is as good. */
  const runtimeOf = ({ number, hash, parentHash }: BlockHeader): Promise<Runtime> =>
    runtimes.after(number === 0 ? hash : parentHash)

  const runtimeAt = async (hash: string): Promise<Runtime> => runtimeOf(await headers.get(hash, () => loadHeader(hash)))

  const read = async (hash: string, entry: string, keys: readonly unknown[]): Promise<Codec> => {
    const runtime = await runtimeAt(hash)
    const { decodeStorage, locateStorage } = await import('./substrate-storage.ts')
    const location = locateStorage(runtime, entry, keys)
    const value = await connection.send('state_getStorage', [location.key, hash])
    return decode(`${entry} at block ${hash}`, () => decodeStorage(runtime, location, value))
  }

  return {
    id,
    kind: 'substrate',

    async at(block) {
      const hash = await hashOf(block)
      // What failed once may be memoized inside; the next caller gets a fresh API.
      const forget = (): void => apis.delete(hash)
      return apis.get(hash, async () => {
        const { createBlockApi } = await import('./substrate-block-api.ts')
        return createBlockApi(connection, await runtimeAt(hash), hash, forget)
      })
    },

    async block(block): Promise<SubstrateBlock> {
      const hash = await hashOf(block)
      const answer = await connection.send('chain_getBlock', [hash])
      if (answer === null) throw unknownBlock(id, hash)
      const raw = rawBlock(answer, hash)
      const found = parseHeader(raw.header, hash)
      const { registry, specName, specVersion } = await runtimeOf(found)
      return decode(`block ${hash}`, () => {
        const { header, extrinsics } = registry.createType('Block', raw)
        return { ...found, header, extrinsics: [...extrinsics], specName, specVersion }
      })
    },

    async events(block) {
      return [...((await read(await hashOf(block), 'system.events', [])) as Vec<EventRecord>)]
    },

    async storage<T extends Codec>(block: BlockRef, entry: string, ...keys: readonly unknown[]) {
      return (await read(await hashOf(block), entry, keys)) as T
    },
  }
}

function unknownBlock(id: string, hash: string): RetryableError {
  return new RetryableError('CHAIN_RPC_FAILED', `The node of chain '${id}' does not know block ${hash}.`)
}

function rawBlock(answer: unknown, hash: string): { readonly header: unknown; readonly extrinsics: unknown } {
  if (typeof answer === 'object' && answer !== null && 'block' in answer) {
    const { block } = answer
    if (typeof block === 'object' && block !== null && 'header' in block && 'extrinsics' in block) return block
  }
  throw new RetryableError('CHAIN_DATA_INVALID', `The node answered with something that is not block ${hash}.`)
}

function decode<T>(what: string, decoder: () => T): T {
  try {
    return decoder()
  } catch (error) {
    const text = `Cannot decode ${what}: ${error instanceof Error ? error.message : String(error)}`
    throw new NonRetryableError('CHAIN_DATA_INVALID', text, { cause: error })
  }
}

import { RetryableError } from '../errors/blockmill-error.ts'
import { createPromiseCache } from './promise-cache.ts'
import type { ChainConnection } from './chain-connection.ts'
import type { Runtime } from './substrate-runtime.ts'

/** The runtimes of a chain, each loaded once and kept while it is in use. */
export interface RuntimeCache {
  /**
   * The runtime in force after the block of this hash. A block, its events and its state are decoded with the runtime after
   * its **parent**, which is the one that executed it.
   */
  after(hash: string): Promise<Runtime>
}

export interface RuntimeCacheOptions {
  readonly connection: ChainConnection
  /** How many runtimes are kept. */
  readonly maxRuntimes: number
  /** For how many blocks it is remembered which runtime is in force. */
  readonly maxBlocks: number
}

interface RuntimeName {
  readonly key: string
  readonly answer: Record<string, unknown>
}

/** Loads runtimes by raw RPC. Its errors are those of the connection. */
export function createRuntimeCache({ connection, maxRuntimes, maxBlocks }: RuntimeCacheOptions): RuntimeCache {
  const runtimes = createPromiseCache<Runtime>(maxRuntimes)
  // Names only, so that a block which is remembered does not keep a runtime alive.
  const names = createPromiseCache<RuntimeName>(maxBlocks)

  const nameAfter = async (hash: string): Promise<RuntimeName> => {
    const answer = await connection.send('state_getRuntimeVersion', [hash])
    if (!isRuntimeVersion(answer))
      throw new RetryableError('CHAIN_DATA_INVALID', `The node did not tell the runtime version at block ${hash}.`)
    return { key: `${answer.specName}/${answer.specVersion}`, answer }
  }

  return {
    async after(hash) {
      const { key, answer } = await names.get(hash, () => nameAfter(hash))
      return runtimes.get(key, async () => {
        // On first use: what decodes runtimes takes a second to import, and most processes never need it.
        const { loadRuntime } = await import('./substrate-runtime.ts')
        return loadRuntime(connection, hash, answer)
      })
    },
  }
}

function isRuntimeVersion(
  answer: unknown,
): answer is Record<string, unknown> & { readonly specName: string; readonly specVersion: number } {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    'specName' in answer &&
    typeof answer.specName === 'string' &&
    'specVersion' in answer &&
    typeof answer.specVersion === 'number'
  )
}

import { ApiPromise } from '@polkadot/api'
import type { VersionedRegistry } from '@polkadot/api/base/types'
import type { ApiDecoration } from '@polkadot/api/types'
import type { ProviderInterface } from '@polkadot/rpc-provider/types'
import { rpcDefinitions } from '@polkadot/types'
import { hexToU8a } from '@polkadot/util'

import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { ChainConnection } from './chain-connection.ts'
import type { Runtime } from './substrate-runtime.ts'

/**
 * The decorated API of one block, with the runtime that executed it. `onFailure` is called when one of its requests fails.
 *
 * Each block has an `ApiPromise` of its own, which never connects and loads nothing. So what `@polkadot/api` memoizes for ever
 * (block registries by hash, results by parameters, rejections too) goes when the block goes, and cannot be asked for another.
 */
export function createBlockApi(
  connection: ChainConnection,
  runtime: Runtime,
  hash: string,
  onFailure: () => void,
): ApiDecoration<'promise'> {
  const send: ProviderInterface['send'] = async (method, params) => {
    try {
      return (await connection.send(method, params)) as never
    } catch (error) {
      onFailure()
      throw error
    }
  }
  return new BlockApi(createProvider(send), runtime).decorate(hash)
}

class BlockApi extends ApiPromise {
  readonly #runtime: VersionedRegistry<'promise'>

  constructor(provider: ProviderInterface, runtime: Runtime) {
    super({ provider, registry: runtime.registry, rpc: QUIET_RPC, noInitWarn: true })
    const { metadata, registry, version, decorated } = runtime
    this.#runtime = { counter: 0, metadata, registry, runtimeVersion: version, decoratedMeta: decorated }
  }

  decorate(hash: string): ApiDecoration<'promise'> {
    return this._createDecorated(this.#runtime, false, null, hexToU8a(hash)).decoratedApi
  }

  // Asked for by every call that names a block; the original looks the runtime up by itself and remembers failures.
  override async getBlockRegistry(): Promise<VersionedRegistry<'promise'>> {
    return this.#runtime
  }
}

/** All RPC definitions without their habit of writing each error to the console: errors reach the caller. */
const QUIET_RPC = Object.fromEntries(
  Object.entries(rpcDefinitions).map(([section, methods]) => [
    section,
    Object.fromEntries(
      Object.entries(methods).map(([method, definition]) => [method, { ...definition, noErrorLog: true }]),
    ),
  ]),
)

/** A provider that is never "connected", so that the API which uses it starts nothing by itself. */
function createProvider(send: ProviderInterface['send']): ProviderInterface {
  const provider: ProviderInterface = {
    hasSubscriptions: true,
    isClonable: false,
    isConnected: false,
    clone: () => provider,
    connect: () => Promise.resolve(),
    disconnect: () => Promise.resolve(),
    on: () => () => undefined,
    send,
    subscribe: (_type, method) =>
      Promise.reject(
        new NonRetryableError(
          'CHAIN_RPC_FAILED',
          `${method}: the state at a block does not change, so it cannot be subscribed to.`,
        ),
      ),
    unsubscribe: () => Promise.resolve(false),
  }
  return provider
}

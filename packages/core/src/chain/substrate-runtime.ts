import { expandMetadata, Metadata, TypeRegistry } from '@polkadot/types'
import type { RuntimeVersion } from '@polkadot/types/interfaces'
import type { DecoratedMeta } from '@polkadot/types/metadata/decorate/types'
import { getSpecExtensions, getSpecHasher, getSpecTypes } from '@polkadot/types-known'

import { RetryableError } from '../errors/blockmill-error.ts'
import type { ChainConnection } from './chain-connection.ts'

/** What it takes to decode the blocks and state of one version of a runtime: 10 to 16 MB. */
export interface Runtime {
  readonly specName: string
  readonly specVersion: number
  readonly registry: TypeRegistry
  readonly metadata: Metadata
  readonly version: RuntimeVersion
  /** Storage entries, constants, errors and events by pallet. */
  readonly decorated: DecoratedMeta
}

/** Identifier of the runtime API `Metadata`: blake2-64 of its name. */
const METADATA_API = '0x37e397fc7c91f5e4'
/** What the installed `@polkadot/types` can read. Newer formats describe more, runtime APIs from 15 on. */
const METADATA_VERSIONS = [14, 15, 16]

/**
 * Loads the runtime in force after the block of this hash. `answer` is what the node says of its version there. Its errors are
 * those of the connection.
 */
export async function loadRuntime(
  connection: ChainConnection,
  hash: string,
  answer: Record<string, unknown>,
): Promise<Runtime> {
  const registry = new TypeRegistry()
  const version = registry.createType('RuntimeVersion', answer)
  const [chain, properties, bytes] = await Promise.all([
    connection.send('system_chain'),
    connection.send('system_properties'),
    loadMetadata(connection, hash, version, registry),
  ])
  const { specName, specVersion } = version
  const chainName = String(chain)
  // As `ApiPromise` prepares a registry, but for one runtime only.
  registry.setChainProperties(registry.createType('ChainProperties', properties))
  registry.register(getSpecTypes(registry, chainName, specName, specVersion))
  registry.setHasher(getSpecHasher(registry, chainName, specName))
  const metadata = new Metadata(registry, bytes)
  registry.setMetadata(metadata, undefined, getSpecExtensions(registry, chainName, specName), true)
  return {
    specName: specName.toString(),
    specVersion: specVersion.toNumber(),
    registry,
    metadata,
    version,
    decorated: expandMetadata(registry, metadata),
  }
}

/** The newest metadata format that both sides know, as hex. */
async function loadMetadata(
  connection: ChainConnection,
  hash: string,
  version: RuntimeVersion,
  registry: TypeRegistry,
): Promise<`0x${string}`> {
  const api = version.apis.find(([id]) => id.eq(METADATA_API))
  if (api !== undefined && api[1].toNumber() >= 2) {
    const offered = registry.createType('Vec<u32>', await call(connection, 'Metadata_metadata_versions', '0x', hash))
    const known = offered.map((format) => format.toNumber()).filter((format) => METADATA_VERSIONS.includes(format))
    if (known.length > 0) {
      const format = registry.createType('u32', Math.max(...known)).toHex(true)
      const opaque = await call(connection, 'Metadata_metadata_at_version', format, hash)
      const metadata = registry.createType('Option<OpaqueMetadata>', opaque)
      if (metadata.isSome) return metadata.unwrap().toHex()
    }
  }
  return hex(await connection.send('state_getMetadata', [hash]), 'state_getMetadata')
}

async function call(connection: ChainConnection, method: string, data: string, hash: string): Promise<string> {
  return hex(await connection.send('state_call', [method, data, hash]), method)
}

function hex(answer: unknown, method: string): `0x${string}` {
  if (typeof answer === 'string' && answer.startsWith('0x')) return answer as `0x${string}`
  throw new RetryableError('CHAIN_DATA_INVALID', `The node answered ${method} with something that is not hex.`)
}

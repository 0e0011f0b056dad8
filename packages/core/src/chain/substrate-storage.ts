import type { StorageEntryMetadataLatest } from '@polkadot/types/interfaces'
import type { Codec } from '@polkadot/types/types'
import { unwrapStorageSi } from '@polkadot/types/util'
import { hexToU8a, isHex } from '@polkadot/util'

import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { Runtime } from './substrate-runtime.ts'

/** A place in a chain's state, and what the runtime says of the value there. */
export interface StorageLocation {
  /** Key as nodes take it, hex. */
  readonly key: string
  readonly meta: StorageEntryMetadataLatest
}

/**
 * Finds a storage entry, named `pallet.entry` as in `api.query`. Throws a `NonRetryableError`, `CHAIN_DATA_INVALID`, when
 * the runtime has no such entry or the entry takes other keys.
 */
export function locateStorage(runtime: Runtime, entry: string, keys: readonly unknown[]): StorageLocation {
  const { registry, decorated, specName, specVersion } = runtime
  const [pallet = '', name = ''] = entry.split('.')
  const entries = Object.hasOwn(decorated.query, pallet) ? decorated.query[pallet] : {}
  const creator = entries !== undefined && Object.hasOwn(entries, name) ? entries[name] : undefined
  if (creator === undefined)
    throw new NonRetryableError(
      'CHAIN_DATA_INVALID',
      `Runtime ${specName}/${specVersion} has no storage entry '${entry}'. Name it as in api.query: 'system.account'.`,
    )
  try {
    return { key: registry.createType('StorageKey', [creator, keys]).toHex(), meta: creator.meta }
  } catch (error) {
    const text = `The keys of storage entry '${entry}' do not fit: ${error instanceof Error ? error.message : String(error)}`
    throw new NonRetryableError('CHAIN_DATA_INVALID', text, { cause: error })
  }
}

/** Decodes the value of a key as a node answers it: hex, or `null` where nothing is stored, which gives the default. */
export function decodeStorage({ registry }: Runtime, { meta }: StorageLocation, value: unknown): Codec {
  const type = registry.createLookupType(unwrapStorageSi(meta.type))
  const { isOptional } = meta.modifier
  if (value === null) {
    const fallback = hexToU8a(meta.fallback.toHex())
    return registry.createTypeUnsafe(type, [fallback], { isFallback: true, isOptional })
  }
  if (!isHex(value)) throw new Error('the value is not hex')
  const bytes = hexToU8a(value)
  // An entry that may be missing is stored bare, without the byte that an `Option` has before its value.
  const input = isOptional ? registry.createTypeUnsafe(type, [bytes], { isPedantic: true }) : bytes
  return registry.createTypeUnsafe(type, [input], { isOptional, isPedantic: !isOptional })
}

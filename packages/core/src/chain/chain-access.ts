// Types `api.query.balances.totalIssuance` and its like; without, each lookup would be possibly undefined.
/// <reference types="@polkadot/api/augment" preserve="true" />
import type { ApiDecoration } from '@polkadot/api/types'
import type { Codec } from '@polkadot/types/types'
import type { EventRecord, Extrinsic, Header } from '@polkadot/types/interfaces'

/**
 * A block that task code asks about: its number, or number and hash. With a hash, exactly that block is read, whether it
 * is canonical or not, and one request is saved. Without, the canonical block of that number is looked up anew each time,
 * because a block that is not finalized may be replaced.
 */
export type BlockRef = number | { readonly number: number; readonly hash?: string | undefined }

/** A Substrate block, decoded with the runtime that executed it. */
export interface SubstrateBlock {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
  readonly header: Header
  readonly extrinsics: readonly Extrinsic[]
  /** Name and version of the runtime that executed the block: the one in force after its parent. */
  readonly specName: string
  readonly specVersion: number
}

/** What access to any kind of chain has. */
export interface ChainAccessBase {
  /** The name that the chain was given, as in the `chain` of a task message. */
  readonly id: string
  /** Which kind of chain it is, and so which of the other members exist. */
  readonly kind: string
}

/**
 * A Substrate chain as task code sees it. One connection and one cache of runtime metadata serve all tasks of a process.
 *
 * All methods throw a `RetryableError`: `CHAIN_UNREACHABLE` when no endpoint answers in time, `CHAIN_RPC_FAILED` when the
 * node answers with an error or does not have the block (yet). Nothing that fails is remembered: the next call asks again.
 * Bytes that the block's own runtime cannot decode throw a `NonRetryableError`, `CHAIN_DATA_INVALID`.
 */
export interface SubstrateAccess extends ChainAccessBase {
  readonly kind: 'substrate'
  /**
   * The API of `@polkadot/api` at this block: `query`, `consts`, `call`, `events`, `errors`, `registry`. Cached per block hash.
   * Costs some milliseconds of CPU per block; `block`, `events` and `storage` cost a fraction of one.
   */
  at(block: BlockRef): Promise<ApiDecoration<'promise'>>
  /** The decoded block: header and extrinsics. */
  block(block: BlockRef): Promise<SubstrateBlock>
  /** The decoded events of the block, in the order in which they happened. */
  events(block: BlockRef): Promise<readonly EventRecord[]>
  /**
   * One storage value at the block, decoded: `storage(block, 'system.account', address)`. An entry that is not set gives its
   * default, or an empty `Option`. Throws a `NonRetryableError`, `CHAIN_DATA_INVALID`, when the runtime has no such entry.
   */
  storage<T extends Codec = Codec>(block: BlockRef, entry: string, ...keys: readonly unknown[]): Promise<T>
}

/** Access by kind of chain. A new kind of chain is a new member here. */
export interface ChainAccessByKind {
  readonly substrate: SubstrateAccess
}

export type ChainKind = keyof ChainAccessByKind

/** What task code gets as `chain`: for a Substrate chain unless the task says that it is for another kind. */
export type ChainAccess<Kind extends ChainKind = 'substrate'> = ChainAccessByKind[Kind]

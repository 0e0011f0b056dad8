// Types `api.query.balances.totalIssuance` and its like; without, each lookup would be possibly undefined.
/// <reference types="@polkadot/api/augment" preserve="true" />
import type { ApiDecoration } from '@polkadot/api/types'
import type { Codec } from '@polkadot/types/types'
import type { EventRecord, Extrinsic, Header } from '@polkadot/types/interfaces'
import type {
  AbiEvent,
  Address,
  Block,
  GetLogsReturnType,
  MaybeAbiEventName,
  MaybeExtractEventArgsFromAbi,
  PublicClient,
  Transport,
} from 'viem'

import type { BlockRange } from '../range/block-range.ts'

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

/** A client of viem for one EVM chain. */
export type EvmClient = PublicClient<Transport, undefined>

/** A block of an EVM chain as viem has it, with its transactions. */
export type EvmBlock = Block<bigint, true, 'latest'>

/** Which logs are meant: of which contracts, and of which events, which are then decoded. As in viem's `getLogs`. */
export type EvmLogFilter<
  Event extends AbiEvent | undefined = undefined,
  Events extends readonly AbiEvent[] | readonly unknown[] | undefined = undefined,
  Strict extends boolean | undefined = undefined,
> = { readonly address?: Address | Address[] } & (
  | {
      readonly event: Event
      readonly events?: undefined
      /** Values of indexed arguments. */
      readonly args?: MaybeExtractEventArgsFromAbi<Events, MaybeAbiEventName<Event>>
      /** Leave out logs that do not fit the event. Default `false`: they have no `args`. */
      readonly strict?: Strict
    }
  | { readonly event?: undefined; readonly events: Events; readonly args?: undefined; readonly strict?: Strict }
  | { readonly event?: undefined; readonly events?: undefined; readonly args?: undefined; readonly strict?: undefined }
)

/**
 * An EVM chain as task code sees it, through viem. One connection serves all tasks of a process.
 *
 * `block` throws a `RetryableError`: `CHAIN_UNREACHABLE` when no endpoint answers in time, `CHAIN_RPC_FAILED` when the node
 * answers with an error or does not have the block (yet), `CHAIN_DATA_INVALID` when its answer makes no sense. What goes through
 * viem throws viem's errors for what the node answers, and ours when there is no answer. Nothing is repeated or remembered.
 */
export interface EvmAccess extends ChainAccessBase {
  readonly kind: 'evm'
  /** viem's public actions, over the connection of this process, with its endpoints, limits and metrics. */
  readonly client: EvmClient
  /**
   * The same with `latest` meaning this block: `getBalance`, `readContract`, `getStorageAt`, `getBlock` and all else that reads
   * state. A block with a hash is read by its hash (EIP-1898), whether it is canonical or not.
   */
  at(block: BlockRef): Promise<EvmClient>
  /** The block with its transactions. */
  block(block: BlockRef): Promise<EvmBlock>
  /**
   * The logs of a block, asked for by its hash, or of a range of blocks, in the order of the chain. A range is asked for in pieces,
   * as large as the endpoint takes. A range near the head may be reorganised while it is read: use finalized blocks.
   */
  logs<
    const Event extends AbiEvent | undefined = undefined,
    const Events extends readonly AbiEvent[] | readonly unknown[] | undefined = Event extends AbiEvent
      ? [Event]
      : undefined,
    Strict extends boolean | undefined = undefined,
  >(
    where: BlockRef | BlockRange,
    filter?: EvmLogFilter<Event, Events, Strict>,
  ): Promise<GetLogsReturnType<Event, Events, Strict, bigint, bigint>>
}

/** Access by kind of chain. A new kind of chain is a new member here. */
export interface ChainAccessByKind {
  readonly substrate: SubstrateAccess
  readonly evm: EvmAccess
}

export type ChainKind = keyof ChainAccessByKind

/** Kinds of chains. */
export const CHAIN_KINDS = ['substrate', 'evm'] as const satisfies readonly ChainKind[]

/** What a task is for: one kind of chain, or `any`, when it does not touch the chain or looks at its `kind` itself. */
export const TASK_CHAIN_KINDS = [...CHAIN_KINDS, 'any'] as const
export type TaskChainKind = (typeof TASK_CHAIN_KINDS)[number]

/** What task code gets as `chain`: for a Substrate chain unless the task says that it is for another kind. */
export type ChainAccess<Kind extends TaskChainKind = 'substrate'> = ChainAccessByKind[Kind extends ChainKind
  ? Kind
  : ChainKind]

/** Access to a chain of some kind. */
export type AnyChainAccess = ChainAccess<'any'>

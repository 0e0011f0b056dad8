import type { BlockRange } from '@blockmill/core'

import type { ContractTransaction } from './contract-transaction.ts'
import { ProviderError } from './provider-error.ts'

/** Where transactions can come from. Both give the same rows. */
export const PROVIDERS = ['etherscan', 'rpc'] as const
export type ProviderName = (typeof PROVIDERS)[number]

export interface TransactionQuery {
  /** Lower case. */
  readonly address: string
  readonly range: BlockRange
  /** What to do when there are more rows than an answer may have: give the first blocks, or throw `too_much`. */
  readonly whenFull: 'continue' | 'split'
  readonly signal: AbortSignal
  /** Awaited before every request to an API that limits their rate. */
  readonly permit: () => Promise<void>
}

/** All transactions of the blocks up to `through`, in order. `through` is below the end of the range when there is more to read. */
export interface TransactionPage {
  readonly rows: readonly ContractTransaction[]
  readonly through: number
}

/** Reads the transactions of addresses from one chain. */
export interface TransactionProvider {
  /** Number of the newest block. */
  head(query: Pick<TransactionQuery, 'signal' | 'permit'>): Promise<number>
  /** The first rows of a range; nothing but `through` says whether they are all. Throws a `ProviderError`. */
  read(query: TransactionQuery): Promise<TransactionPage>
  /** Closes its connections. Idempotent. */
  close(): Promise<void>
}

/**
 * Resolves with the number of the newest block. What is above it is not there yet: without it, what is found would not be all.
 * @throws ProviderError `missing_blocks`
 */
export async function assertBlockExists(
  provider: TransactionProvider,
  block: number,
  query: Parameters<TransactionProvider['head']>[0],
): Promise<number> {
  const head = await provider.head(query)
  if (block <= head) return head
  throw new ProviderError('missing_blocks', `The chain has no block ${block} yet: its newest one is ${head}.`)
}

import { isBlockNumber, NonRetryableError } from '@blockmill/core'
import { Type } from 'typebox'

import { addressProblem } from './address.ts'
import { type ProviderName, PROVIDERS } from './transaction-provider.ts'

/** Arguments of the task: whose transactions, on which chain, from where. */
export const TransactionArgs = Type.Object(
  {
    address: Type.Refine(
      Type.String({ description: 'contract or account: 0x and 40 hex digits' }),
      (address) => addressProblem(address) === undefined,
      (address) => addressProblem(address) ?? '',
    ),
    chainId: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'as in EIP-155: 1 is Ethereum',
    }),
    provider: Type.Optional(Type.Enum(PROVIDERS)),
  },
  { additionalProperties: false },
)

/** Whose transactions are wanted. */
export interface TransactionRequest {
  /** Contract or account: in one case, or with the checksum of EIP-55. */
  readonly address: string
  /** As in EIP-155: 1 is Ethereum. */
  readonly chainId: number
  /** First and last block, both included. */
  readonly from: number
  readonly to: number
  /** Default `etherscan`. */
  readonly provider?: ProviderName | undefined
  /** Blocks of a batch. */
  readonly batchSize?: number | undefined
}

/**
 * Checks everything that can be known without asking anybody.
 * @throws NonRetryableError `RANGE_INVALID` with every problem at once.
 */
export function assertTransactionRequest(request: TransactionRequest): void {
  const { address, chainId, from, to, provider = 'etherscan', batchSize = 1 } = request
  const problems = [
    addressProblem(address),
    isCount(chainId) ? undefined : `chainId is ${chainId}; it must be a whole number from 1 up`,
    blockProblem('from', from),
    blockProblem('to', to),
    from > to ? `from is ${from} and to is ${to}; the first block may not be above the last` : undefined,
    isCount(batchSize) ? undefined : `batchSize is ${batchSize}; it must be a whole number from 1 up`,
    PROVIDERS.includes(provider) ? undefined : `provider is '${provider}'; it must be one of ${PROVIDERS.join(', ')}`,
  ].filter((problem) => problem !== undefined)
  if (problems.length === 0) return
  throw new NonRetryableError('RANGE_INVALID', `Transactions cannot be read as asked: ${problems.join('; ')}.`)
}

function blockProblem(name: string, block: number): string | undefined {
  return isBlockNumber(block) ? undefined : `${name} is ${String(block)}; it must be a block number: whole, from 0 up`
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1
}

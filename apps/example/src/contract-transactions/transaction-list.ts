import type { BlockRange } from '@blockmill/core'

import { compareTransactions, type ContractTransaction, isTransactionOf } from './contract-transaction.ts'
import type { ListedTransaction } from './etherscan-answer.ts'
import { ProviderError } from './provider-error.ts'

/** What a list has that was not asked for. Whoever counts on an order that is not there would lose rows without a word. */
export function listProblem(
  { blockNumber, row }: ListedTransaction,
  before: ListedTransaction | undefined,
  { blocks, address }: { readonly blocks: BlockRange; readonly address: string },
): string | undefined {
  if (blockNumber < blocks.from || blockNumber > blocks.to) return `block ${blockNumber}`
  if (before !== undefined && blockNumber < before.blockNumber)
    return `block ${before.blockNumber} before ${blockNumber}`
  if (row === undefined || isTransactionOf(row, address)) return undefined
  // One that failed to create the contract is not asked for either, but comes along.
  const isFailedCreation = row.to === null && row.status === 'failed'
  return isFailedCreation ? undefined : `transaction ${row.hash}, which is another's`
}

/**
 * The rows of the address in the order of the chain.
 * @throws ProviderError `invalid_data` when the list changed while it was read page by page: what moves from one page to the next comes
 * twice, and what moves the other way is missing, which only the hash of the block tells.
 */
export function rowsOf(list: readonly ListedTransaction[], address: string): readonly ContractTransaction[] {
  const transactions = new Set<string>()
  const blocks = new Map<number, string>()
  const rows: ContractTransaction[] = []
  for (const { blockNumber, blockHash, row } of list) {
    if (blockHash !== undefined) {
      const other = blocks.get(blockNumber) ?? blockHash
      if (other !== blockHash) throw changedMeanwhile(`two blocks ${blockNumber}, ${other} and ${blockHash}`)
      blocks.set(blockNumber, blockHash)
    }
    if (row === undefined) continue
    if (transactions.has(row.hash)) throw changedMeanwhile(`transaction ${row.hash} twice`)
    transactions.add(row.hash)
    if (isTransactionOf(row, address)) rows.push(row)
  }
  return rows.sort(compareTransactions)
}

function changedMeanwhile(what: string): ProviderError {
  return new ProviderError('invalid_data', `The API answered with ${what}: its list changed while it was read.`)
}

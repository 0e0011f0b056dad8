import { type BlockRange, rangeSize } from '@blockmill/core'

import { compareTransactions, type ContractTransaction, isTransactionOf } from './contract-transaction.ts'
import type { EtherscanApi } from './etherscan-api.ts'
import { ProviderError } from './provider-error.ts'
import { fullness, learntRowCap, type RowCap } from './row-cap.ts'
import type { TransactionPage, TransactionProvider, TransactionQuery } from './transaction-provider.ts'

export interface EtherscanProviderOptions {
  readonly api: EtherscanApi
  /** What is known of the API's cap. Shared by all that ask it with the same key, and changed here. */
  readonly learnt: { rowCap: RowCap }
}

/** Rows that are asked for: the most that any plan gives. */
const ROWS_ASKED = 10_000
/** APIs refuse a page that ends behind this row: `Result window is too large`. */
const RESULT_WINDOW = 10_000
/** Rows of a page when one block is read page by page. */
const PAGE_ROWS = 1_000
/** Whoever is asked for many rows in the first blocks need not have as many in the others. */
const MOST_PIECES = 8

/** Reads transactions from an Etherscan-compatible API. */
export function createEtherscanProvider({ api, learnt }: EtherscanProviderOptions): TransactionProvider {
  const ask = async (
    { address, range, permit, signal }: TransactionQuery,
    { page, offset, blocks = range }: { readonly page: number; readonly offset: number; readonly blocks?: BlockRange },
  ): Promise<readonly ContractTransaction[]> => {
    await permit()
    const rows = await api.transactions({ address, range: blocks, page, offset }, signal)
    const problem = rows.map((row, index) => rowProblem(row, rows[index - 1], { blocks, address })).find(Boolean)
    if (problem === undefined) return rows
    const asked = `for transactions of ${address} in blocks ${blocks.from} to ${blocks.to}, in their order`
    throw new ProviderError('invalid_data', `${api.label} was asked ${asked}, and answered with ${problem}.`)
  }

  /**
   * Whether an answer with one row more, which is in the blocks behind the range, shows that an answer was not cut off. Contracts that
   * are called in every block have batches of the same length, and each would otherwise have to be looked at twice.
   */
  const isBelowCap = async (query: TransactionQuery, got: number): Promise<boolean> => {
    const { from, to } = query.range
    const blocks = { from, to: Math.min(Number.MAX_SAFE_INTEGER, to + rangeSize(query.range)) }
    const wider = await ask(query, { page: 1, offset: got + 1, blocks })
    const next = wider[got]
    if (next === undefined || next.blockNumber <= to) return false
    learnt.rowCap = learntRowCap(learnt.rowCap, wider.length, false)
    return true
  }

  /** Whether there may be more rows than those of an answer to the first page. */
  const isFull = async (query: TransactionQuery, got: number): Promise<boolean> => {
    const seems = fullness(learnt.rowCap, ROWS_ASKED, got)
    if (seems !== 'unclear') return seems === 'full'
    if (got === learnt.rowCap.atLeast && (await isBelowCap(query, got))) return false
    // The next page would end behind the window.
    if (2 * got > RESULT_WINDOW) return true
    const more = await ask(query, { page: 2, offset: got })
    learnt.rowCap = learntRowCap(learnt.rowCap, got, more.length > 0)
    return more.length > 0
  }

  /** All rows of one block, whose first ones were answered already. */
  const wholeBlock = async (
    query: TransactionQuery,
    block: number,
    first: readonly ContractTransaction[],
  ): Promise<readonly ContractTransaction[]> => {
    const offset = Math.min(PAGE_ROWS, first.length)
    const blocks = { from: block, to: block }
    const rows = first.slice(0, Math.floor(first.length / offset) * offset)
    for (let page = rows.length / offset + 1; page * offset <= RESULT_WINDOW; page += 1) {
      const more = await ask(query, { page, offset, blocks })
      rows.push(...more)
      if (more.length < offset) return rows
    }
    throw new ProviderError(
      'block_too_large',
      `Block ${block} has ${rows.length} transactions of ${query.address} or more, and ${api.label} shows no more of them. Read it with the provider rpc.`,
    )
  }

  return {
    async head({ signal, permit }) {
      await permit()
      return api.head(signal)
    },

    async read(query): Promise<TransactionPage> {
      const { range, whenFull, address } = query
      const first = await ask(query, { page: 1, offset: ROWS_ASKED })
      if (!(await isFull(query, first.length))) return { rows: inOrder(first, address), through: range.to }
      // Of the last block there may be more than came.
      const last = Math.max(...first.map(({ blockNumber }) => blockNumber))
      if (whenFull === 'split' && rangeSize(range) > 1) throw tooManyRows(range, { got: first.length, last })
      const before = first.filter(({ blockNumber }) => blockNumber < last)
      if (before.length > 0) return { rows: inOrder(before, address), through: last - 1 }
      return { rows: inOrder(await wholeBlock(query, last, first), address), through: last }
    },

    // Every request has its own time-out, and connections that are idle close by themselves.
    close: async () => undefined,
  }
}

/** What a row has that was not asked for. Whoever counts on an order that is not there would lose rows without a word. */
function rowProblem(
  row: ContractTransaction,
  before: ContractTransaction | undefined,
  { blocks, address }: { readonly blocks: BlockRange; readonly address: string },
): string | undefined {
  const { blockNumber, hash } = row
  if (blockNumber < blocks.from || blockNumber > blocks.to) return `block ${blockNumber}`
  if (before !== undefined && blockNumber < before.blockNumber)
    return `block ${before.blockNumber} before ${blockNumber}`
  // One that failed to create the contract is not asked for either, but comes along.
  const isFailedCreation = row.to === null && row.status === 'failed'
  return isTransactionOf(row, address) || isFailedCreation ? undefined : `transaction ${hash}, which is another's`
}

/** Pieces that have about as many blocks as one answer had. */
function tooManyRows(range: BlockRange, { got, last }: { readonly got: number; readonly last: number }): ProviderError {
  const { from, to } = range
  const size = rangeSize(range)
  const safeSize = Math.min(Math.ceil(size / 2), Math.max(Math.ceil(size / MOST_PIECES), last - from))
  const text = `Blocks ${from} to ${to} have ${got} transactions or more, which is all that the API gives in one answer.`
  return new ProviderError('too_much', text, { safeSize })
}

function inOrder(rows: readonly ContractTransaction[], address: string): readonly ContractTransaction[] {
  const sorted = rows.filter((row) => isTransactionOf(row, address)).sort(compareTransactions)
  const twice = sorted.find((row, index) => row.hash === sorted[index - 1]?.hash)
  if (twice === undefined) return sorted
  // While pages were read, something moved from one to the next; what moved the other way is missing.
  throw new ProviderError(
    'invalid_data',
    `The API answered with transaction ${twice.hash} twice: its list changed while it was read.`,
  )
}

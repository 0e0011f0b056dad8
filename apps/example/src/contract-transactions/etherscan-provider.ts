import { type BlockRange, rangeSize } from '@blockmill/core'

import type { ListedTransaction } from './etherscan-answer.ts'
import type { EtherscanApi } from './etherscan-api.ts'
import { ProviderError } from './provider-error.ts'
import { fullness, learntRowCap, type RowCap } from './row-cap.ts'
import { listProblem, rowsOf } from './transaction-list.ts'
import type { TransactionPage, TransactionProvider, TransactionQuery } from './transaction-provider.ts'

export interface EtherscanProviderOptions {
  readonly api: EtherscanApi
  /** What is known of the API's limits. Shared by all that ask it with the same key, and changed here. */
  readonly learnt: { rowCap: RowCap; resultWindow: number }
}

/** APIs refuse a page that ends behind this row, or a lower one that their refusal names. So many rows are asked for. */
export const INITIAL_RESULT_WINDOW = 10_000
/** Rows of a page when one block is read page by page. */
const PAGE_ROWS = 1_000
/** Whoever is asked for many rows in the first blocks need not have as many in the others. */
const MOST_PIECES = 8

/** Reads transactions from an Etherscan-compatible API. */
export function createEtherscanProvider({ api, learnt }: EtherscanProviderOptions): TransactionProvider {
  const ask = async (
    { address, range, permit, signal }: TransactionQuery,
    { page, offset, blocks = range }: { readonly page: number; readonly offset: number; readonly blocks?: BlockRange },
  ): Promise<readonly ListedTransaction[]> => {
    await permit()
    const list = await api.transactions({ address, range: blocks, page, offset }, signal)
    const problem = list.map((listed, index) => listProblem(listed, list[index - 1], { blocks, address })).find(Boolean)
    if (problem === undefined) return list
    const asked = `for transactions of ${address} in blocks ${blocks.from} to ${blocks.to}, in their order`
    throw new ProviderError('invalid_data', `${api.label} was asked ${asked}, and answered with ${problem}.`)
  }

  /** As many rows as the API takes to be asked for, from the first on. */
  const askForMost = async (query: TransactionQuery): Promise<readonly ListedTransaction[]> => {
    const offset = learnt.resultWindow
    try {
      return await ask(query, { page: 1, offset })
    } catch (error) {
      const told = resultWindowToldBy(error)
      if (told === undefined || told >= offset) throw error
      learnt.resultWindow = told
      return askForMost(query)
    }
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
    const seems = fullness(learnt.rowCap, learnt.resultWindow, got)
    if (seems !== 'unclear') return seems === 'full'
    if (got === learnt.rowCap.atLeast && (await isBelowCap(query, got))) return false
    // The next page would end behind the window.
    if (2 * got > learnt.resultWindow) return true
    const more = await ask(query, { page: 2, offset: got })
    learnt.rowCap = learntRowCap(learnt.rowCap, got, more.length > 0)
    return more.length > 0
  }

  /** All rows of one block, whose first ones were answered already. */
  const wholeBlock = async (
    query: TransactionQuery,
    block: number,
    first: readonly ListedTransaction[],
  ): Promise<readonly ListedTransaction[]> => {
    const offset = Math.min(PAGE_ROWS, first.length)
    const blocks = { from: block, to: block }
    const list = first.slice(0, Math.floor(first.length / offset) * offset)
    for (let page = list.length / offset + 1; page * offset <= learnt.resultWindow; page += 1) {
      const more = await ask(query, { page, offset, blocks })
      list.push(...more)
      if (more.length < offset) return list
    }
    throw new ProviderError(
      'block_too_large',
      `Block ${block} has ${list.length} transactions of ${query.address} or more, and ${api.label} shows no more of them. Read it with the provider rpc.`,
    )
  }

  return {
    // The lists of an API may be behind its node, and a block that they lack would seem to have no transactions.
    async head({ signal, permit }) {
      await permit()
      await permit()
      const told = await Promise.all([api.nodeHead(signal).catch(failureOf), api.listedHead(signal).catch(failureOf)])
      const heads = told.filter((head) => typeof head === 'number')
      const failures = told.filter((head) => head instanceof ProviderError)
      // Compatible APIs may have only one of the two.
      const failure = failures.find(({ type }) => type !== 'refused') ?? (heads.length === 0 ? failures[0] : undefined)
      if (failure !== undefined) throw failure
      return Math.min(...heads)
    },

    async read(query): Promise<TransactionPage> {
      const { range, whenFull, address } = query
      const first = await askForMost(query)
      if (!(await isFull(query, first.length))) return { rows: rowsOf(first, address), through: range.to }
      // Of the last block there may be more than came.
      const last = Math.max(...first.map(({ blockNumber }) => blockNumber))
      if (whenFull === 'split' && rangeSize(range) > 1) throw tooManyRows(range, { got: first.length, last })
      const before = first.filter(({ blockNumber }) => blockNumber < last)
      if (before.length > 0) return { rows: rowsOf(before, address), through: last - 1 }
      return { rows: rowsOf(await wholeBlock(query, last, first), address), through: last }
    },

    // Every request has its own time-out, and connections that are idle close by themselves.
    close: async () => undefined,
  }
}

/** Throws what is no failure of the API. */
function failureOf(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error
  throw error
}

/** `Result window is too large, PageNo x Offset size must be less than or equal to 10000` */
const RESULT_WINDOW_TOLD = /window is too large\D*(\d+)/i

function resultWindowToldBy(error: unknown): number | undefined {
  const [, told] = (error instanceof ProviderError && RESULT_WINDOW_TOLD.exec(error.message)) || []
  const rows = Number(told)
  return Number.isSafeInteger(rows) && rows >= 1 ? rows : undefined
}

/** Pieces that have about as many blocks as one answer had. */
function tooManyRows(range: BlockRange, { got, last }: { readonly got: number; readonly last: number }): ProviderError {
  const { from, to } = range
  const size = rangeSize(range)
  const safeSize = Math.min(Math.ceil(size / 2), Math.max(Math.ceil(size / MOST_PIECES), last - from))
  const text = `Blocks ${from} to ${to} have ${got} transactions or more, which is all that the API gives in one answer.`
  return new ProviderError('too_much', text, { safeSize })
}

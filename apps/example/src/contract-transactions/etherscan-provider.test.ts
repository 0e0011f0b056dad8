import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { type ContractTransaction, contractTransaction } from './contract-transaction.ts'
import type { ListedTransaction } from './etherscan-answer.ts'
import type { EtherscanApi } from './etherscan-api.ts'
import { createEtherscanProvider, INITIAL_RESULT_WINDOW } from './etherscan-provider.ts'
import { ProviderError } from './provider-error.ts'
import { type RowCap, unknownRowCap } from './row-cap.ts'
import type { TransactionQuery } from './transaction-provider.ts'

const ADDRESS = `0x${'ab'.repeat(20)}`

const transaction = (blockNumber: number, transactionIndex: number): ContractTransaction =>
  contractTransaction({
    hash: `0x${blockNumber.toString(16).padStart(32, '0')}${transactionIndex.toString(16).padStart(32, '0')}`,
    blockNumber,
    transactionIndex,
    timestampSeconds: blockNumber,
    from: `0x${'00'.repeat(20)}`,
    to: ADDRESS,
    contractAddress: null,
    value: '0',
    input: '0x',
    gas: 21_000,
    gasUsed: 21_000,
    gasPrice: '1',
    status: 'success',
  })

/** Rows of blocks that have as many as the list says. */
const transactionsOf = (counts: readonly number[]): readonly ContractTransaction[] =>
  counts.flatMap((count, block) => Array.from({ length: count }, (_, index) => transaction(block, index)))

const listed = (row: ContractTransaction, blockHash?: string): ListedTransaction => ({
  blockNumber: row.blockNumber,
  blockHash,
  row,
})

/** An API that cuts its answers off, and refuses pages behind its window. */
const apiOf = (all: readonly ContractTransaction[], cap: number, window = 10_000) => {
  const asked: number[] = []
  const api: EtherscanApi = {
    label: 'the API',
    nodeHead: async () => 1_000_000,
    listedHead: async () => 1_000_000,
    async transactions({ range: { from, to }, page, offset }) {
      asked.push(page)
      if (page * offset > window)
        throw new ProviderError('too_much', `Result window is too large, … must be less than or equal to ${window}`)
      return all
        .filter(({ blockNumber }) => blockNumber >= from && blockNumber <= to)
        .slice((page - 1) * offset, (page - 1) * offset + Math.min(offset, cap))
        .map((row) => listed(row))
    },
  }
  return { api, asked }
}

const provide = (api: EtherscanApi, rowCap: RowCap = unknownRowCap) =>
  createEtherscanProvider({ api, learnt: { rowCap, resultWindow: INITIAL_RESULT_WINDOW } })
const query = (from: number, to: number, whenFull: TransactionQuery['whenFull'] = 'continue'): TransactionQuery => ({
  address: ADDRESS,
  range: { from, to },
  whenFull,
  signal: new AbortController().signal,
  permit: async () => undefined,
})

type Provider = ReturnType<typeof provide>

const readOnwards = async (provider: Provider, from: number, to: number): Promise<readonly ContractTransaction[]> => {
  const rows: ContractTransaction[] = []
  for (let next = from; next <= to;) {
    const page = await provider.read(query(next, to))
    rows.push(...page.rows)
    expect(page.through).toBeGreaterThanOrEqual(next)
    next = page.through + 1
  }
  return rows
}

/** As a range job does it: what is too large is cut into pieces. */
const readSplit = async (provider: Provider, from: number, to: number): Promise<readonly ContractTransaction[]> => {
  try {
    const { rows, through } = await provider.read(query(from, to, 'split'))
    expect(through).toBe(to)
    return rows
  } catch (error) {
    if (!(error instanceof ProviderError) || error.type !== 'too_much' || from === to) throw error
    const size = error.safeSize ?? 0
    expect(size).toBeGreaterThanOrEqual(1)
    expect(size).toBeLessThanOrEqual(to - from)
    const pieces: (readonly ContractTransaction[])[] = []
    for (let start = from; start <= to; start += size)
      pieces.push(await readSplit(provider, start, Math.min(to, start + size - 1)))
    return pieces.flat()
  }
}

describe('createEtherscanProvider', () => {
  it('gives the same rows however the range is cut and whatever the cap is', async () => {
    const chains = fc.array(fc.oneof(fc.constant(0), fc.nat(4), fc.nat(40)), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(chains, fc.integer({ min: 1, max: 60 }), fc.nat(29), async (counts, cap, cut) => {
        const all = transactionsOf(counts)
        const last = counts.length - 1
        const middle = Math.min(cut, last)
        const provider = provide(apiOf(all, cap).api)
        expect(await readOnwards(provider, 0, last)).toEqual(all)
        expect(await readSplit(provider, 0, last)).toEqual(all)
        const first = await readSplit(provider, 0, middle)
        const second = middle === last ? [] : await readOnwards(provider, middle + 1, last)
        expect([...first, ...second]).toEqual(all)
      }),
    )
  })

  it('finds out a cap that nobody told it with one request, and then trusts it', async () => {
    const { api, asked } = apiOf(transactionsOf(Array.from({ length: 40 }, () => 25)), 300)
    const provider = provide(api)
    expect(await provider.read(query(0, 39))).toMatchObject({ through: 10 })
    expect(asked).toEqual([1, 2])
    expect(await provider.read(query(11, 39))).toMatchObject({ through: 21 })
    expect(await provider.read(query(33, 35))).toMatchObject({ through: 35 })
    expect(asked).toEqual([1, 2, 1, 1])
  })

  it('looks twice at two of many batches of the same length, and not at each', async () => {
    const { api, asked } = apiOf(transactionsOf(Array.from({ length: 400 }, () => 1)), 1_000)
    const provider = provide(api)
    for (let from = 0; from < 400; from += 40)
      expect((await provider.read(query(from, from + 39))).rows).toHaveLength(40)
    expect(asked).toEqual([1, 2, 1, 1, ...Array.from({ length: 8 }, () => 1)])
  })

  it('does not take a second answer of the same length for whole, because both may have as many rows as the cap', async () => {
    const all = transactionsOf([30, 20, 20, 1])
    const provider = provide(apiOf(all, 30).api)
    expect(await provider.read(query(0, 0))).toMatchObject({ through: 0 })
    expect(await readOnwards(provider, 1, 3)).toEqual(all.slice(30))
    // Whole as well, with a row behind it that the API cannot give in the same answer.
    const again = provide(apiOf(all, 30).api, { atLeast: 30, cap: undefined })
    expect(await again.read(query(0, 0))).toMatchObject({ through: 0 })
  })

  it('reads a block with more rows than the cap page by page', async () => {
    const all = transactionsOf([3, 2_500, 3])
    const provider = provide(apiOf(all, 1_000).api)
    const { rows, through } = await provider.read(query(1, 1, 'split'))
    expect(through).toBe(1)
    expect(rows).toEqual(all.filter(({ blockNumber }) => blockNumber === 1))
    expect(await readOnwards(provider, 0, 2)).toEqual(all)
  })

  it.each([5_001, 9_999])('reads all %i rows of one block from an API that gives them at once', async (count) => {
    const all = transactionsOf([count])
    expect(await readOnwards(provide(apiOf(all, 10_000).api), 0, 0)).toEqual(all)
  })

  it.each([1_000, 10_000])('says so when the window hides rows of one block, with a cap of %i', async (cap) => {
    const provider = provide(apiOf(transactionsOf([10_001]), cap).api)
    await expect(provider.read(query(0, 0, 'split'))).rejects.toMatchObject({ type: 'block_too_large' })
    await expect(provider.read(query(0, 0, 'split'))).rejects.toThrow(/Block 0 has 10000 transactions .* provider rpc/)
  })

  it('asks for a range to be split into no more than eight pieces, sized by what one answer had', async () => {
    const even = provide(apiOf(transactionsOf(Array.from({ length: 300 }, () => 10)), 1_000).api)
    await expect(even.read(query(0, 299, 'split'))).rejects.toMatchObject({ type: 'too_much', safeSize: 99 })
    const crowdedStart = provide(apiOf(transactionsOf([2_000, ...Array.from({ length: 799 }, () => 0)]), 1_000).api)
    await expect(crowdedStart.read(query(0, 799, 'split'))).rejects.toMatchObject({ safeSize: 100 })
  })

  it('refuses answers that are not what was asked for', async () => {
    const answering = (...rows: readonly ContractTransaction[]) =>
      provide({ ...apiOf([], 1).api, transactions: async () => rows.map((row) => listed(row)) })
    const refused = (provider: Provider) => expect(provider.read(query(1, 5))).rejects
    await refused(answering(transaction(6, 0))).toThrow('answered with block 6')
    await refused(answering(transaction(3, 0), transaction(2, 0))).toThrow('block 3 before 2')
    await refused(answering({ ...transaction(3, 0), to: `0x${'11'.repeat(20)}` })).toThrow("another's")
  })

  it('notices when the list of a block changes while it is read', async () => {
    const { api } = apiOf(transactionsOf([1_500]), 1_000)
    let isReplaced = false
    const shifting: EtherscanApi = {
      ...api,
      async transactions(request, signal) {
        if (request.page === 2 && request.range.from === request.range.to && isReplaced)
          return [listed(transaction(0, 999)), ...(await api.transactions(request, signal))]
        isReplaced = true
        return api.transactions(request, signal)
      },
    }
    await expect(provide(shifting, { atLeast: 1, cap: 1_000 }).read(query(0, 0))).rejects.toThrow('twice')
  })

  it('notices that a block was replaced between two of its pages, although no row comes twice', async () => {
    const { api } = apiOf(transactionsOf([1_500]), 1_000)
    const replaced: EtherscanApi = {
      ...api,
      async transactions(request, signal) {
        const list = await api.transactions(request, signal)
        return list.map((one) => ({ ...one, blockHash: request.page === 1 ? '0xaa' : '0xbb' }))
      },
    }
    const reading = provide(replaced, { atLeast: 1, cap: 1_000 }).read(query(0, 0))
    await expect(reading).rejects.toThrow('two blocks 0, 0xaa and 0xbb')
  })

  it('notices a transaction that is listed in two blocks', async () => {
    const twice = { ...transaction(4, 0), hash: transaction(1, 0).hash }
    const rows = [transaction(1, 0), transaction(2, 0), twice]
    await expect(provide(apiOf(rows, 1_000).api).read(query(0, 5))).rejects.toThrow('twice')
  })

  it('leaves out what the genesis block gave, and yet counts it where an answer may be cut off', async () => {
    const rows = transactionsOf([0, 2, 2])
    const grant: ListedTransaction = { blockNumber: 0, blockHash: undefined, row: undefined }
    const all = [grant, ...rows.map((row) => listed(row))]
    const api: EtherscanApi = {
      ...apiOf([], 1).api,
      transactions: async ({ range: { from, to }, page, offset }) =>
        all
          .filter(({ blockNumber }) => blockNumber >= from && blockNumber <= to)
          .slice((page - 1) * offset, (page - 1) * offset + Math.min(offset, 3)),
    }
    expect(await readOnwards(provide(api, { atLeast: 1, cap: 3 }), 0, 2)).toEqual(rows)
    expect(await provide(api).read(query(0, 0))).toEqual({ rows: [], through: 0 })
  })

  it('asks for fewer rows when the API names a smaller window, and remembers it', async () => {
    const all = transactionsOf(Array.from({ length: 30 }, () => 100))
    const { api, asked } = apiOf(all, 1_000, 1_000)
    const provider = provide(api)
    expect(await readOnwards(provider, 0, 29)).toEqual(all)
    // Once too much, then nine blocks with each request; the last one has a round number of rows.
    expect(asked).toEqual([1, 1, 1, 1, 1, 2])
  })

  it('takes the lower of two heads, and one where the API refuses the other', async () => {
    const { api } = apiOf([], 1)
    const refuse = async (): Promise<number> => {
      throw new ProviderError('refused', 'Error! Missing Or invalid Module name')
    }
    const headOf = (others: Partial<EtherscanApi>) => provide({ ...api, ...others }).head(query(0, 0))
    expect(await headOf({ nodeHead: async () => 20, listedHead: async () => 17 })).toBe(17)
    expect(await headOf({ nodeHead: async () => 20, listedHead: refuse })).toBe(20)
    expect(await headOf({ nodeHead: refuse, listedHead: async () => 17 })).toBe(17)
    await expect(headOf({ nodeHead: refuse, listedHead: refuse })).rejects.toThrow('invalid Module name')
    const limited = async (): Promise<number> => {
      throw new ProviderError('rate_limited', 'slowly')
    }
    await expect(headOf({ listedHead: limited })).rejects.toMatchObject({ type: 'rate_limited' })
    await expect(headOf({ nodeHead: refuse, listedHead: limited })).rejects.toMatchObject({ type: 'rate_limited' })
  })

  it('leaves out one that failed to create the contract', async () => {
    const failed = { ...transaction(2, 0), to: null, contractAddress: null, status: 'failed' as const }
    const provider = provide(apiOf([transaction(1, 0), failed], 1_000).api)
    expect((await provider.read(query(0, 5))).rows).toEqual([transaction(1, 0)])
  })
})

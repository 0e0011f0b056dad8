import { createHash } from 'node:crypto'

import { callJsonRpc, callJsonRpcBatch, type JsonRpcCall } from './call-json-rpc.ts'

/** A row of the action `txlist`, as Etherscan answers it: all members are text. */
export interface EtherscanRow {
  readonly blockNumber: string
  readonly blockHash: string
  readonly timeStamp: string
  readonly hash: string
  readonly nonce: string
  readonly transactionIndex: string
  readonly from: string
  /** Empty when it created a contract. */
  readonly to: string
  readonly value: string
  readonly gas: string
  readonly gasPrice: string
  readonly input: string
  /** Empty unless it created a contract. */
  readonly contractAddress: string
  readonly cumulativeGasUsed: string
  readonly gasUsed: string
  readonly isError: '0' | '1'
  readonly txreceipt_status: '0' | '1' | ''
}

/** Which rows of an address are meant: those of the blocks, without the first `skip`, at most `limit`. */
export interface EtherscanRowsQuery {
  /** Lower case. */
  readonly address: string
  readonly from: number
  readonly to: number
  readonly skip: number
  readonly limit: number
}

/** What a facade shows as a chain. */
export interface EtherscanTransactions {
  readonly chainId: number
  /** Number of the newest block. */
  head(): Promise<number>
  /** Rows in the order of the chain. */
  rows(query: EtherscanRowsQuery): Promise<readonly EtherscanRow[]>
}

/** Transactions that are listed: rows of any addresses, in the order of the chain. */
export function listTransactions(options: {
  readonly chainId: number
  readonly head: number
  readonly rows: readonly EtherscanRow[]
}): EtherscanTransactions {
  return {
    chainId: options.chainId,
    head: async () => options.head,
    rows: async ({ address, from, to, skip, limit }) =>
      options.rows
        .filter((row) => concerns(row, address) && Number(row.blockNumber) >= from && Number(row.blockNumber) <= to)
        .slice(skip, skip + limit),
  }
}

export interface SyntheticTransactionsOptions {
  /** Whose transactions they are: sent to it by others. Lower case. */
  readonly address: string
  /** Blocks of the chain, from 0. */
  readonly blocks: number
  /** Transactions in each block. */
  readonly perBlock: number
  /** Default 31337. */
  readonly chainId?: number
}

/** Any number of transactions without a chain: each is computed when it is asked for, and the same every time. */
export function syntheticTransactions({
  address,
  blocks,
  perBlock,
  chainId = 31_337,
}: SyntheticTransactionsOptions): EtherscanTransactions {
  return {
    chainId,
    head: async () => blocks - 1,
    async rows({ address: asked, from, to, skip, limit }) {
      if (asked !== address) return []
      const first = from * perBlock + skip
      const end = Math.min((Math.min(to, blocks - 1) + 1) * perBlock, first + limit)
      return Array.from({ length: Math.max(0, end - first) }, (_, index) =>
        syntheticRow(address, Math.floor((first + index) / perBlock), (first + index) % perBlock),
      )
    },
  }
}

/** What is not told here has a value that any transaction could have. */
export function syntheticRow(
  to: string,
  block: number,
  index: number,
  others: Partial<EtherscanRow> = {},
): EtherscanRow {
  const digest = createHash('sha256').update(`${to} ${block} ${index}`).digest('hex')
  return {
    blockNumber: String(block),
    blockHash: `0x${createHash('sha256').update(`block ${block}`).digest('hex')}`,
    timeStamp: String(1_700_000_000 + 12 * block),
    hash: `0x${digest}`,
    nonce: String(block),
    transactionIndex: String(index),
    from: `0x${digest.slice(0, 40)}`,
    to,
    // Beyond 2^53.
    value: String(10n ** 18n + BigInt(block)),
    gas: '90000',
    gasPrice: '1500000007',
    input: `0xa9059cbb${digest}${digest}`,
    contractAddress: '',
    cumulativeGasUsed: String(51_234 * (index + 1)),
    gasUsed: '51234',
    isError: '0',
    txreceipt_status: '1',
    ...others,
  }
}

/** Requests in one body. */
const BATCH = 200

/**
 * The transactions of a real chain, such as anvil's. Blocks are read when they are first needed; those that are replaced later
 * are not noticed.
 */
export function chainTransactions(rpcUrl: string, chainId: number): EtherscanTransactions {
  const byAddress = new Map<string, EtherscanRow[]>()
  let indexed = -1
  let indexing: Promise<unknown> = Promise.resolve()

  const index = async (): Promise<number> => {
    const head = Number(await callJsonRpc(rpcUrl, 'eth_blockNumber', []))
    while (indexed < head) {
      const numbers = Array.from({ length: Math.min(BATCH, head - indexed) }, (_, offset) => indexed + 1 + offset)
      for (const row of await readRows(rpcUrl, numbers)) {
        for (const address of new Set([row.from, row.to, row.contractAddress])) {
          const known = byAddress.get(address)
          if (known === undefined) byAddress.set(address, [row])
          else known.push(row)
        }
      }
      indexed += numbers.length
    }
    return head
  }

  /** One after the other: two at once would index blocks twice. */
  const upToDate = (): Promise<number> => {
    const next = indexing.then(index)
    indexing = next.catch(() => undefined)
    return next
  }

  return {
    chainId,
    head: upToDate,
    async rows({ address, from, to, skip, limit }) {
      await upToDate()
      const all = address === '' ? [] : (byAddress.get(address) ?? [])
      const isWithin = ({ blockNumber }: EtherscanRow): boolean =>
        Number(blockNumber) >= from && Number(blockNumber) <= to
      return all.filter(isWithin).slice(skip, skip + limit)
    },
  }
}

type RpcFields = Readonly<Record<string, string | null | undefined>>

async function readRows(rpcUrl: string, numbers: readonly number[]): Promise<EtherscanRow[]> {
  const calls = (method: string, ...others: readonly unknown[]): readonly JsonRpcCall[] =>
    numbers.map((number) => [method, [`0x${number.toString(16)}`, ...others]])
  const [blocks, receipts] = await Promise.all([
    callJsonRpcBatch(rpcUrl, calls('eth_getBlockByNumber', true)) as Promise<
      (RpcFields & { readonly transactions: readonly RpcFields[] })[]
    >,
    callJsonRpcBatch(rpcUrl, calls('eth_getBlockReceipts')) as Promise<(readonly RpcFields[])[]>,
  ])
  return blocks.flatMap((block, at) =>
    block.transactions.map((transaction, index) => toRow(block, transaction, receipts[at]?.[index] ?? {})),
  )
}

function toRow(block: RpcFields, transaction: RpcFields, receipt: RpcFields): EtherscanRow {
  const decimal = (quantity: string | null | undefined): string => BigInt(quantity ?? '0x0').toString()
  return {
    blockNumber: decimal(block['number']),
    blockHash: block['hash'] ?? '',
    timeStamp: decimal(block['timestamp']),
    hash: transaction['hash'] ?? '',
    nonce: decimal(transaction['nonce']),
    transactionIndex: decimal(transaction['transactionIndex']),
    from: transaction['from'] ?? '',
    to: transaction['to'] ?? '',
    value: decimal(transaction['value']),
    gas: decimal(transaction['gas']),
    gasPrice: decimal(receipt['effectiveGasPrice']),
    input: transaction['input'] ?? '',
    contractAddress: receipt['contractAddress'] ?? '',
    cumulativeGasUsed: decimal(receipt['cumulativeGasUsed']),
    gasUsed: decimal(receipt['gasUsed']),
    isError: receipt['status'] === '0x0' ? '1' : '0',
    txreceipt_status: receipt['status'] === '0x0' ? '0' : '1',
  }
}

function concerns({ from, to, contractAddress }: EtherscanRow, address: string): boolean {
  return from === address || to === address || contractAddress === address
}

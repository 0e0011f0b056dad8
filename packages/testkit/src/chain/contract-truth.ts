import { callJsonRpcBatch, type JsonRpcCall } from './call-json-rpc.ts'

/** A transaction of an address as the chain itself has it: the row that whoever collects them should have. */
export interface TrueTransaction {
  readonly hash: string
  readonly blockNumber: number
  readonly transactionIndex: number
  readonly timestamp: string
  readonly from: string
  readonly to: string | null
  readonly contractAddress: string | null
  readonly value: string
  readonly input: string
  readonly gas: number
  readonly gasUsed: number
  readonly gasPrice: string
  readonly status: 'success' | 'failed'
}

type Fields = Readonly<Record<string, string | null>>

/** Requests in one body. */
const BATCH = 200

/**
 * All transactions of an address in the blocks from 0 to `to`, read in the plainest way, to compare others with: every block and every
 * receipt. For chains after Byzantium, in memory.
 */
export async function readTrueTransactions(rpcUrl: string, address: string, to: number): Promise<TrueTransaction[]> {
  const rows: TrueTransaction[] = []
  for (let from = 0; from <= to; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, to - from + 1) }, (_, index) => from + index)
    const calls = (method: string, ...others: readonly unknown[]): readonly JsonRpcCall[] =>
      numbers.map((number) => [method, [`0x${number.toString(16)}`, ...others]])
    const blocks = (await callJsonRpcBatch(rpcUrl, calls('eth_getBlockByNumber', true))) as {
      readonly timestamp: string
      readonly transactions: readonly Fields[]
    }[]
    const receipts = (await callJsonRpcBatch(rpcUrl, calls('eth_getBlockReceipts'))) as (readonly Fields[])[]
    for (const [at, { timestamp, transactions }] of blocks.entries()) {
      for (const [index, sent] of transactions.entries()) {
        const row = toRow(sent, receipts[at]?.[index] ?? {}, {
          blockNumber: from + at,
          index,
          seconds: Number(timestamp),
        })
        if ([row.from, row.to, row.contractAddress].includes(address)) rows.push(row)
      }
    }
  }
  return rows
}

function toRow(
  sent: Fields,
  receipt: Fields,
  { blockNumber, index, seconds }: { readonly blockNumber: number; readonly index: number; readonly seconds: number },
): TrueTransaction {
  return {
    hash: String(sent['hash']),
    blockNumber,
    transactionIndex: index,
    timestamp: new Date(seconds * 1_000).toISOString(),
    from: String(sent['from']),
    to: sent['to'] ?? null,
    contractAddress: receipt['status'] === '0x1' ? (receipt['contractAddress'] ?? null) : null,
    value: BigInt(String(sent['value'])).toString(),
    input: String(sent['input']),
    gas: Number(sent['gas']),
    gasUsed: Number(receipt['gasUsed']),
    gasPrice: BigInt(String(receipt['effectiveGasPrice'])).toString(),
    status: receipt['status'] === '0x1' ? 'success' : 'failed',
  }
}

import type { ContractTransaction } from './contract-transaction.ts'
import { ProviderError } from './provider-error.ts'
import { parseReceipt, type RpcBlock, type RpcTransaction, rpcRow } from './rpc-answer.ts'
import type { RpcNode } from './rpc-node.ts'

export interface RpcRowReaderOptions {
  readonly node: RpcNode
  /** Whether the node has `eth_getBlockReceipts`. Shared by all that ask it, and changed here. */
  readonly learnt: { hasBlockReceipts: boolean }
}

/** Resolves with the rows of some transactions of a block, in their order. Rejects with a `ProviderError`. */
export type RpcRowReader = (
  block: RpcBlock,
  wanted: readonly RpcTransaction[],
) => Promise<readonly ContractTransaction[]>

/**
 * What one more request costs, in receipts that nobody wants. Those are only bytes; for a request a node has to find the transaction,
 * and many read all receipts of its block to give one; where the rate is limited, requests are counted. Those who bill by method count
 * a whole block as 12 to 25 receipts, whatever its size.
 */
const RECEIPTS_PER_REQUEST = 10
/** Requests that wait for their turn at the same time: those that wait too long fail. */
const AT_ONCE = 100

/**
 * Reads the receipts that rows need: all of a block in one request where many of them are wanted, else one by one. So of a block with
 * a thousand transactions of which one is wanted, one receipt is read. A node without `eth_getBlockReceipts` is asked for it once.
 */
export function createRpcRowReader({ node, learnt }: RpcRowReaderOptions): RpcRowReader {
  const rowOf = (block: RpcBlock, told: RpcTransaction, receipt: unknown): ContractTransaction =>
    rpcRow(block, told, parseReceipt(receipt, told, block))

  const oneByOne: RpcRowReader = async (block, wanted) => {
    const rows: ContractTransaction[] = []
    for (let at = 0; at < wanted.length; at += AT_ONCE) {
      const asked = wanted
        .slice(at, at + AT_ONCE)
        .map(async (told) => rowOf(block, told, await node.send('eth_getTransactionReceipt', [told.hash])))
      rows.push(...(await Promise.all(asked)))
    }
    return rows
  }

  /** The receipts of all transactions of a block, in their order; `undefined` when the node does not give them in this way. */
  const allReceipts = async ({ number }: RpcBlock): Promise<readonly unknown[] | undefined> => {
    try {
      const answer = await node.send('eth_getBlockReceipts', [number])
      return Array.isArray(answer) ? answer : undefined
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      if (error.type === 'method_missing') learnt.hasBlockReceipts = false
      // Any other refusal may be about this block, whose receipts may be too much for one answer.
      else if (error.type !== 'refused') throw error
      return undefined
    }
  }

  return async (block, wanted) => {
    const isWorthAll = wanted.length > 1 && wanted.length * RECEIPTS_PER_REQUEST >= block.transactions.length
    const receipts = isWorthAll && learnt.hasBlockReceipts ? await allReceipts(block) : undefined
    if (receipts === undefined) return oneByOne(block, wanted)
    return wanted.map((told) => rowOf(block, told, receipts[Number(told.transactionIndex)] ?? null))
  }
}

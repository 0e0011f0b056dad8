import { grownLogRange, type LogRange, shrunkLogRange, unlessAborted } from '@blockmill/core'

import { compareTransactions, type ContractTransaction, isTransactionOf } from './contract-transaction.ts'
import { ProviderError } from './provider-error.ts'
import { parseBlock, parseReceipt, type RpcBlock, type RpcTransaction, rpcRow } from './rpc-answer.ts'
import type { RpcNode } from './rpc-node.ts'
import type { TransactionProvider } from './transaction-provider.ts'

export interface RpcProviderOptions {
  readonly node: RpcNode
  /** How many blocks the node takes at once. Shared by all that ask it, and changed here. */
  readonly learnt: { blocks: LogRange }
}

/** Full blocks are large: more of them at once would only wait, in memory. */
export const initialBlocksAtOnce: LogRange = { size: 50, ceiling: 100 }

/**
 * Reads transactions from JSON-RPC nodes: every block of the range with its transactions, and the receipts of those that concern
 * the address. It answers with some blocks at a time, as many as the node takes.
 */
export function createRpcProvider({ node, learnt }: RpcProviderOptions): TransactionProvider {
  const readBlocks = async (from: number, to: number): Promise<readonly RpcBlock[]> => {
    const numbers = Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const blocks = await Promise.all(
      numbers.map(async (number) =>
        parseBlock(await node.send('eth_getBlockByNumber', [quantity(number), true]), number),
      ),
    )
    const broken = blocks.find((block, index) => index > 0 && block.parentHash !== blocks[index - 1]?.hash)
    if (broken === undefined) return blocks
    const text = `Block ${Number(broken.number)} does not follow the one before: the chain was reorganised meanwhile, or the nodes disagree.`
    throw new ProviderError('unavailable', text)
  }

  const readRow = async (block: RpcBlock, told: RpcTransaction): Promise<ContractTransaction> => {
    const receipt = await node.send('eth_getTransactionReceipt', [told.hash])
    return rpcRow(block, told, parseReceipt(receipt, told, block))
  }

  const readRows = async (address: string, from: number, to: number): Promise<readonly ContractTransaction[]> => {
    const blocks = await readBlocks(from, to)
    const candidates = blocks.flatMap((block) =>
      block.transactions.filter((told) => mayConcern(told, address)).map((told) => readRow(block, told)),
    )
    const rows = await Promise.all(candidates)
    return rows.filter((row) => isTransactionOf(row, address)).sort(compareTransactions)
  }

  return {
    async head({ signal }) {
      const head = Number(await unlessAborted(node.send('eth_blockNumber', []), signal))
      if (Number.isSafeInteger(head)) return head
      throw new ProviderError('invalid_data', `${node.label} answered with something that is not a block number.`)
    },

    async read({ address, range: { from, to }, signal }) {
      for (;;) {
        const through = Math.min(to, from + learnt.blocks.size - 1)
        const asked = through - from + 1
        try {
          const rows = await unlessAborted(readRows(address, from, through), signal)
          learnt.blocks = grownLogRange(learnt.blocks, asked)
          return { rows, through }
        } catch (error) {
          if (!isTooMuch(error)) throw error
          learnt.blocks = shrunkLogRange(learnt.blocks, asked, error.message)
          if (asked === 1) throw error
        }
      }
    },

    close: () => node.close(),
  }
}

/** Which contract was created only the receipt tells. */
function mayConcern({ from, to }: RpcTransaction, address: string): boolean {
  return from.toLowerCase() === address || (to?.toLowerCase() ?? address) === address
}

/** What may go well with fewer blocks. */
function isTooMuch(error: unknown): error is ProviderError {
  return error instanceof ProviderError && (error.type === 'refused' || error.type === 'timed_out')
}

function quantity(number: number): string {
  return `0x${number.toString(16)}`
}

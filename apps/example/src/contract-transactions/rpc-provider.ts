import { grownLogRange, type LogRange, shrunkLogRange, unlessAborted } from '@blockmill/core'

import { compareTransactions, type ContractTransaction, isTransactionOf } from './contract-transaction.ts'
import { ProviderError, type ProviderFailure } from './provider-error.ts'
import { parseBlock, parseRpcHead, type RpcBlock, type RpcTransaction } from './rpc-answer.ts'
import type { RpcNode } from './rpc-node.ts'
import { createRpcRowReader } from './rpc-rows.ts'
import type { TransactionProvider } from './transaction-provider.ts'

export interface RpcProviderOptions {
  readonly node: RpcNode
  /** How many blocks the node takes at once, and what else is known of it. Shared by all that ask it, and changed here. */
  readonly learnt: { blocks: LogRange; hasBlockReceipts: boolean }
}

/** What may go well with fewer blocks. */
const TOO_MUCH: readonly ProviderFailure[] = ['refused', 'timed_out']
/** What may go well a little later, with fewer blocks: a request that gets no turn at the node for half a minute fails. */
const TOO_OFTEN: readonly ProviderFailure[] = ['rate_limited', 'unreachable']

/** Full blocks are large: more of them at once would only wait, in memory. */
export const initialBlocksAtOnce: LogRange = { size: 50, ceiling: 100 }

/**
 * Reads transactions from JSON-RPC nodes: every block of the range with its transactions, and the receipts of those that concern
 * the address. It answers with some blocks at a time, as many as the node takes.
 */
export function createRpcProvider({ node, learnt }: RpcProviderOptions): TransactionProvider {
  const readBlockRows = createRpcRowReader({ node, learnt })

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

  const readRows = async (address: string, from: number, to: number): Promise<readonly ContractTransaction[]> => {
    const blocks = await readBlocks(from, to)
    const rows = await Promise.all(blocks.map((block) => readBlockRows(block, candidatesOf(block, address))))
    return rows
      .flat()
      .filter((row) => isTransactionOf(row, address))
      .sort(compareTransactions)
  }

  return {
    async head({ signal }) {
      return parseRpcHead(await unlessAborted(node.send('eth_blockNumber', []), signal))
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
          if (!(error instanceof ProviderError)) throw error
          const isTooMuch = TOO_MUCH.includes(error.type)
          if (isTooMuch || TOO_OFTEN.includes(error.type))
            learnt.blocks = shrunkLogRange(learnt.blocks, asked, error.message)
          if (!isTooMuch || asked === 1) throw error
        }
      }
    },

    close: () => node.close(),
  }
}

/** Those that may be of the address: which contract was created only the receipt tells. */
function candidatesOf({ transactions }: RpcBlock, address: string): readonly RpcTransaction[] {
  return transactions.filter(({ from, to }) => [from, to ?? address].some((party) => party.toLowerCase() === address))
}

function quantity(number: number): string {
  return `0x${number.toString(16)}`
}

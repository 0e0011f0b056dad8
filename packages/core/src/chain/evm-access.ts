import { type Block, formatBlock, type RpcBlock } from 'viem'

import { RetryableError } from '../errors/blockmill-error.ts'
import { type BlockRange, blockRange } from '../range/block-range.ts'
import type { BlockRef, EvmAccess, EvmBlock } from './chain-access.ts'
import type { ChainConnection } from './chain-connection.ts'
import { createEvmClient } from './evm-client.ts'
import { createEvmLogs } from './evm-logs.ts'
import { parseEvmBlock, parseQuantity, quantity } from './evm-rpc.ts'
import { invalidAnswer } from './rpc-value.ts'

export interface EvmAccessOptions {
  /** The name that the chain was given. */
  readonly id: string
  /** Shared with others of the process; not closed here. */
  readonly connection: ChainConnection
}

/** What task code gets as `chain` on an EVM chain. Opens nothing by itself. */
export function createEvmAccess({ id, connection }: EvmAccessOptions): EvmAccess {
  const client = createEvmClient(connection)
  const logs = createEvmLogs({
    id,
    client,
    head: async () => parseQuantity(await connection.send('eth_blockNumber'), 'a block number'),
  })

  const readBlock = async (block: BlockRef, withTransactions: boolean): Promise<RpcBlock> => {
    const { number, hash } = typeof block === 'object' ? block : { number: block }
    const [method, name] =
      hash === undefined
        ? (['eth_getBlockByNumber', quantity(number)] as const)
        : (['eth_getBlockByHash', hash] as const)
    const answer = await connection.send(method, [name, withTransactions])
    if (answer === null) {
      const text = hash === undefined ? `has no block ${number}, or not yet` : `does not know block ${hash}`
      throw new RetryableError('CHAIN_RPC_FAILED', `The node of chain '${id}' ${text}.`)
    }
    const found = parseEvmBlock(answer)
    if (hash === undefined ? found.number !== number : found.hash !== hash) throw invalidAnswer(`block ${name}`, found)
    return answer as RpcBlock
  }

  const logsOf = async (where: BlockRef | BlockRange, filter: Parameters<typeof logs.ofBlock>[1]) => {
    if (typeof where === 'object' && 'from' in where) return logs.ofRange(blockRange(where.from, where.to), filter)
    const known = typeof where === 'object' ? where.hash : undefined
    return logs.ofBlock(known ?? String((await readBlock(where, false)).hash), filter)
  }

  return {
    id,
    kind: 'evm',
    client,
    at: async (block) => createEvmClient(connection, typeof block === 'object' ? block : { number: block }),
    async block(block): Promise<EvmBlock> {
      const answer = await readBlock(block, true)
      try {
        return formatBlock(answer) as Block<bigint, true, 'latest'>
      } catch (error) {
        const text = `The block ${answer.hash} cannot be decoded: ${error instanceof Error ? error.message : String(error)}`
        throw new RetryableError('CHAIN_DATA_INVALID', text, { cause: error })
      }
    },
    // The types of logs follow from the filter, which only the interface can say.
    logs: logsOf as EvmAccess['logs'],
  }
}

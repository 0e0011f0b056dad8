import { RetryableError } from '../errors/blockmill-error.ts'
import { type ChainConnectionOptions, createChainConnection } from './chain-connection.ts'
import type { ChainBlock, ChainSource } from './chain-source.ts'
import { createEvmFinality, DEFAULT_FINALITY_DEPTH } from './evm-finality.ts'
import { evmProtocol } from './evm-protocol.ts'
import { type FollowedConnection, followConnection } from './followed-connection.ts'
import { headerOf, parseEvmBlock, quantity } from './evm-rpc.ts'
import { invalidAnswer } from './rpc-value.ts'

/** A `ChainSource` over an EVM node's WebSocket or HTTP. */
export type EvmSource = ChainSource & FollowedConnection

export interface EvmSourceOptions extends Omit<ChainConnectionOptions, 'protocol'> {
  /** How many blocks behind the head a block is final, on nodes that cannot say. Default 64. */
  readonly finalityDepth?: number
}

/**
 * Blocks that are asked for at once. The connection puts them into batches and limits how many are in flight; more than this would
 * wait for their turn longer than a request may, at an endpoint that takes a few in a second.
 */
const BLOCKS_AT_ONCE = 100

const NEW_HEADS = { subscribe: 'eth_subscribe', unsubscribe: 'eth_unsubscribe', params: ['newHeads'] }

/** Follows an EVM chain by raw RPC. Options and errors are those of its connection. */
export function createEvmSource({ finalityDepth = DEFAULT_FINALITY_DEPTH, ...options }: EvmSourceOptions): EvmSource {
  const { logger } = options
  const connection = createChainConnection({ ...options, protocol: evmProtocol })

  const read = async (block: string): Promise<ChainBlock | undefined> => {
    const answer = await connection.send('eth_getBlockByNumber', [block, false])
    return answer === null ? undefined : parseEvmBlock(answer)
  }

  const readNumber = async (number: number): Promise<ChainBlock | undefined> => {
    const block = await read(quantity(number))
    if (block !== undefined && block.number !== number) throw invalidAnswer(`block ${number}`, headerOf(block))
    return block
  }

  const finality = createEvmFinality({
    read: async (name) => {
      const block = await read(name)
      return block && headerOf(block)
    },
    depth: finalityDepth,
    logger,
  })

  // Another node may know what the one before did not.
  connection.onConnected(() => finality.reset())
  const followed = followConnection({ connection, subscriptions: [NEW_HEADS], logger })

  return {
    ...followed,
    async head() {
      const head = await read('latest')
      if (head === undefined) throw new RetryableError('CHAIN_RPC_FAILED', 'The node has no latest block.')
      return headerOf(head)
    },
    finalized: () => finality.finalized(),
    block: readNumber,
    async hashes(numbers) {
      const found: (string | undefined)[] = []
      for (let start = 0; start < numbers.length; start += BLOCKS_AT_ONCE) {
        const blocks = await Promise.all(numbers.slice(start, start + BLOCKS_AT_ONCE).map(readNumber))
        found.push(...blocks.map((block) => block?.hash))
      }
      return found
    },
  }
}

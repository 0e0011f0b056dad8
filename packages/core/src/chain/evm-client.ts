import { BaseError, createPublicClient, custom, type Transport } from 'viem'

import { BlockmillError } from '../errors/blockmill-error.ts'
import type { EvmClient } from './chain-access.ts'
import type { ChainConnection } from './chain-connection.ts'
import { quantity } from './evm-rpc.ts'
import { answerOf } from './rpc-failure.ts'

/** The block that a client's reads are about: by hash where it is known, which is then exactly that block. */
export interface PinnedBlock {
  readonly number: number
  readonly hash?: string | undefined
}

interface RpcCall {
  readonly method: string
  readonly params?: readonly unknown[]
}

/**
 * A viem client whose requests go over our connection. What reads the state at `latest` reads it at the pinned block instead.
 * It neither repeats requests nor remembers answers: both are the task's to decide.
 */
export function createEvmClient(connection: ChainConnection, pinned?: PinnedBlock): EvmClient {
  const provider = {
    async request(call: RpcCall): Promise<unknown> {
      const { method, params } = pinned === undefined ? call : pin(call, pinned)
      try {
        return await connection.send(method, params)
      } catch (error) {
        // viem makes its own errors of what the node said, by code and data: why a call was reverted, for one.
        throw answerOf(error) ?? error
      }
    },
  }
  const transport: Transport<'custom'> = (options) => {
    const { request, ...rest } = custom(provider, { key: 'blockmill', name: 'Blockmill', retryCount: 0 })(options)
    return {
      ...rest,
      // What is no answer of the node stays our own error, with its code.
      request: (...call) =>
        request(...call).catch((error: unknown) => {
          throw error instanceof BaseError && error.cause instanceof BlockmillError ? error.cause : error
        }),
    }
  }
  return createPublicClient({ transport, cacheTime: 0 })
}

/** Methods that read state, with the place of the block among their parameters. */
const METHODS_AT_BLOCK: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_createAccessList: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getProof: 2,
  eth_getStorageAt: 2,
  eth_getTransactionCount: 1,
  eth_simulateV1: 1,
}

/** Methods that read a block by its number, and the same by its hash. Their first parameter is the block. */
const METHODS_OF_BLOCK: Readonly<Record<string, string>> = {
  eth_getBlockByNumber: 'eth_getBlockByHash',
  eth_getBlockTransactionCountByNumber: 'eth_getBlockTransactionCountByHash',
  eth_getTransactionByBlockNumberAndIndex: 'eth_getTransactionByBlockHashAndIndex',
}

function pin(call: RpcCall, { number, hash }: PinnedBlock): RpcCall {
  const { method, params = [] } = call
  const methodByHash = METHODS_OF_BLOCK[method]
  if (methodByHash !== undefined && isLatest(params[0]))
    return hash === undefined
      ? { method, params: [quantity(number), ...params.slice(1)] }
      : { method: methodByHash, params: [hash, ...params.slice(1)] }
  const place = METHODS_AT_BLOCK[method]
  if (place === undefined || !isLatest(params[place])) return call
  // As EIP-1898 has it.
  const block = hash === undefined ? quantity(number) : { blockHash: hash }
  return { method, params: [...params.slice(0, place), block, ...params.slice(place + 1)] }
}

function isLatest(block: unknown): boolean {
  return block === undefined || block === 'latest'
}

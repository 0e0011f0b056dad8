import { BaseError, type GetLogsParameters, type Log } from 'viem'

import { RetryableError } from '../errors/blockmill-error.ts'
import type { BlockRange } from '../range/block-range.ts'
import type { EvmClient } from './chain-access.ts'
import { grownLogRange, initialLogRange, shrunkLogRange } from './log-range.ts'
import { isRateLimit, RpcAnswerError } from './rpc-answer-error.ts'
import { isTimeout } from './rpc-failure.ts'

type Filter = Pick<GetLogsParameters, 'address' | 'event' | 'events' | 'args' | 'strict'>

/** Reads logs, in pieces that the endpoint takes. */
export interface EvmLogs {
  /** All logs of exactly this block. A node that does not have it says so, which it would not when asked by number. */
  ofBlock(hash: string, filter?: Filter): Promise<readonly Log[]>
  /** All logs of the canonical blocks of a range, in the order of the chain. Throws a `RetryableError`, `CHAIN_RPC_FAILED`, for one above the head. */
  ofRange(range: BlockRange, filter?: Filter): Promise<readonly Log[]>
}

export interface EvmLogsOptions {
  /** The name of the chain. */
  readonly id: string
  readonly client: EvmClient
  /** Number of the newest block. */
  readonly head: () => Promise<number>
}

/** What it learns about the endpoint's limits is kept for all later calls. */
export function createEvmLogs({ id, client, head }: EvmLogsOptions): EvmLogs {
  let learnt = initialLogRange

  /**
   * One piece of a range that ends at `end`. Some nodes answer a range that they do not have yet with what they have, as if that
   * were all. So each piece is asked for together with the head, which the same endpoint then tells: after a failover it
   * may be one that lags.
   */
  const piece = async (from: number, to: number, end: number, filter: Filter): Promise<readonly Log[]> => {
    const [newest, logs] = await Promise.allSettled([
      head(),
      client.getLogs({ ...filter, fromBlock: BigInt(from), toBlock: BigInt(to) }),
    ])
    if (newest.status === 'rejected') throw newest.reason
    if (newest.value < end)
      throw new RetryableError('CHAIN_RPC_FAILED', `The node of chain '${id}' has no block ${end}, or not yet.`)
    if (logs.status === 'rejected') throw logs.reason
    return logs.value
  }

  return {
    ofBlock: (hash, filter = {}) => client.getLogs({ ...filter, blockHash: hash } as GetLogsParameters),

    async ofRange({ from, to }, filter = {}) {
      const found: (readonly Log[])[] = []
      for (let next = from; next <= to;) {
        const last = Math.min(to, next + learnt.size - 1)
        const asked = last - next + 1
        try {
          found.push(await piece(next, last, to, filter))
          learnt = grownLogRange(learnt, asked)
          next = last + 1
        } catch (error) {
          const answer = answerWithin(error)
          const isTooMuch = isTimeout(error) || (answer !== undefined && !isRateLimit(answer))
          if (isTooMuch) learnt = shrunkLogRange(learnt, asked, answer?.message ?? '')
          // After a time-out the task's own retry goes on with the smaller pieces.
          if (!isTooMuch || answer === undefined || asked === 1) throw error
        }
      }
      return found.flat()
    },
  }
}

function answerWithin(error: unknown): RpcAnswerError | undefined {
  const found = error instanceof BaseError ? error.walk((cause) => cause instanceof RpcAnswerError) : error
  return found instanceof RpcAnswerError ? found : undefined
}

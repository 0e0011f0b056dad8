import { BaseError, type GetLogsParameters, type Log } from 'viem'

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
  /** All logs of the canonical blocks of a range, in the order of the chain. */
  ofRange(range: BlockRange, filter?: Filter): Promise<readonly Log[]>
}

/** What it learns about the endpoint's limits is kept for all later calls. */
export function createEvmLogs(client: EvmClient): EvmLogs {
  let learnt = initialLogRange

  const piece = (from: number, to: number, filter: Filter): Promise<readonly Log[]> =>
    client.getLogs({ ...filter, fromBlock: BigInt(from), toBlock: BigInt(to) })

  return {
    ofBlock: (hash, filter = {}) => client.getLogs({ ...filter, blockHash: hash } as GetLogsParameters),

    async ofRange({ from, to }, filter = {}) {
      const found: (readonly Log[])[] = []
      for (let next = from; next <= to;) {
        const last = Math.min(to, next + learnt.size - 1)
        const asked = last - next + 1
        try {
          found.push(await piece(next, last, filter))
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

import { RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { BlockHeader } from './chain-source.ts'
import { quantity } from './evm-rpc.ts'
import type { RpcAnswerError } from './rpc-answer-error.ts'
import { answerOf } from './rpc-failure.ts'

/** How far behind the head a block counts as final on a node that cannot say: two epochs of Ethereum. */
export const DEFAULT_FINALITY_DEPTH = 64

export interface EvmFinalityOptions {
  /** The block that a tag or number names; `undefined` when there is none. */
  readonly read: (block: string) => Promise<BlockHeader | undefined>
  /** Blocks that are this far behind the head are final where the node cannot say. */
  readonly depth: number
  readonly logger: Logger
}

/** Tells which block is final. */
export interface EvmFinality {
  finalized(): Promise<BlockHeader>
  /** To be called for each connection: another node may know what the one before did not. */
  reset(): void
}

type Tag = 'finalized' | 'safe'

/**
 * Asks in this order, and goes on only when the node cannot say:
 *
 * | what | which nodes |
 * |---|---|
 * | the block with the tag `finalized` | all that follow Ethereum's consensus, and most others |
 * | the block with the tag `safe` | those that know nothing stronger |
 * | the block `depth` behind the head | nodes of chains without finality |
 *
 * A tag that a node does not know is not asked for again on that connection. When a chain has named its finalized block once, or
 * its safe one, one that is missing later is a failure, and nothing weaker takes its place.
 */
export function createEvmFinality({ read, depth, logger }: EvmFinalityOptions): EvmFinality {
  const unknown = new Set<Tag>()
  const named = new Set<Tag>()
  let hasWarned = false

  const tagged = async (tag: Tag): Promise<BlockHeader | undefined> => {
    const block = unknown.has(tag) ? undefined : await ask(tag)
    if (block !== undefined) named.add(tag)
    else if (named.has(tag))
      throw new RetryableError('CHAIN_RPC_FAILED', `The node does not tell which block is ${tag} any more.`)
    return block
  }

  const ask = async (tag: Tag): Promise<BlockHeader | undefined> => {
    try {
      return await read(tag)
    } catch (error) {
      const answer = answerOf(error)
      if (answer === undefined || !(isUnknownTag(answer) || isMissingBlock(answer))) throw error
      if (isUnknownTag(answer)) unknown.add(tag)
      return undefined
    }
  }

  const counted = async (): Promise<BlockHeader> => {
    const head = await read('latest')
    const found = head && (await read(quantity(Math.max(0, head.number - depth))))
    if (found === undefined)
      throw new RetryableError('CHAIN_RPC_FAILED', 'The node does not have the blocks below its head.')
    return found
  }

  return {
    async finalized() {
      const finalized = await tagged('finalized')
      if (finalized !== undefined) return finalized
      const safe = await tagged('safe')
      if (!hasWarned) {
        hasWarned = true
        const instead = safe === undefined ? `the block ${depth} behind the head` : 'the safe block'
        logger.warn({ instead }, 'the node does not tell which block is finalized')
      }
      return safe ?? counted()
    },

    reset() {
      unknown.clear()
    },
  }
}

/** Codes of JSON-RPC 2.0 for a request that makes no sense. All that may make no sense here is the tag. */
const INVALID_REQUEST = [-32_600, -32_602]
const UNKNOWN_TAG =
  /(unknown|invalid|unsupported|unexpected) (block )?(tag|number|argument|param)|not supported|without 0x prefix/i

function isUnknownTag({ code, message }: RpcAnswerError): boolean {
  return INVALID_REQUEST.includes(code) || UNKNOWN_TAG.test(message)
}

/** Geth knows the tag but not the block until its consensus client has told it. */
function isMissingBlock({ message }: RpcAnswerError): boolean {
  return /block (was )?not found|unknown block/i.test(message)
}

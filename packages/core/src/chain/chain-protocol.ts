import type { RpcAnswerError } from './rpc-answer-error.ts'

/** What a connection must know about a kind of chain, besides that it speaks JSON-RPC. */
export interface ChainProtocol {
  /** The request whose answer tells the genesis hash. */
  readonly genesisRequest: { readonly method: string; readonly params: readonly unknown[] }
  /** Reads that answer: `0x` and 64 hex digits. Throws a `RetryableError`, `CHAIN_DATA_INVALID`, when it makes no sense. */
  parseGenesisHash(answer: unknown): string
  /**
   * Whether a node answered so because it no longer keeps the state of an old block. An archive node has it; asking the same
   * node again is in vain.
   */
  isStateDiscarded(answer: RpcAnswerError): boolean
}

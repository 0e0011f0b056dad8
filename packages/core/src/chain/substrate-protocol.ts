import type { ChainProtocol } from './chain-protocol.ts'
import { parseHash } from './rpc-value.ts'

/**
 * Nodes of the Polkadot SDK say `4003: Client error: UnknownBlock: State already discarded for 0x…`; a state database that was
 * pruned underneath says `Api called for an unknown Block: State already discarded` or `… Trie lookup error: Database missing
 * expected key`.
 */
const STATE_DISCARDED = /state already discarded|missing expected key|state .*\bpruned\b/i

/** Substrate's JSON-RPC. */
export const substrateProtocol: ChainProtocol = {
  genesisRequest: { method: 'chain_getBlockHash', params: [0] },
  parseGenesisHash: parseHash,
  isStateDiscarded: ({ message }) => STATE_DISCARDED.test(message),
}

import type { ChainProtocol } from './chain-protocol.ts'
import { parseEvmBlock, quantity } from './evm-rpc.ts'

/**
 * Geth says `missing trie node …` or `required historical state unavailable (reexec=…)`, and `historical state … is not available`;
 * Erigon `state … pruned` or `old data not available due to pruning`; Nethermind `No state available for block …`; Besu
 * `World state unavailable`. Providers that keep no old state for everybody speak of archive nodes, requests or data.
 */
const STATE_DISCARDED =
  /missing trie node|(historical )?state .*(unavailable|not available)|no state available|due to pruning|state .*\bpruned\b|\barchive\b/i
/** What follows is the words of a contract. */
const REVERTED = /^execution reverted/i

/** Ethereum's JSON-RPC, as all EVM chains have it. */
export const evmProtocol: ChainProtocol = {
  genesisRequest: { method: 'eth_getBlockByNumber', params: [quantity(0), false] },
  parseGenesisHash: (answer) => parseEvmBlock(answer).hash,
  isStateDiscarded: ({ message }) => STATE_DISCARDED.test(message) && !REVERTED.test(message),
}

import type { AnyChainAccess, LogRange, Logger } from '@blockmill/core'

import { createEtherscanApi } from './etherscan-api.ts'
import { createEtherscanProvider, INITIAL_RESULT_WINDOW } from './etherscan-provider.ts'
import { ProviderError } from './provider-error.ts'
import type { ProviderSettings } from './provider-settings.ts'
import { type RowCap, unknownRowCap } from './row-cap.ts'
import { openRpcNode } from './rpc-node.ts'
import { createRpcProvider, initialBlocksAtOnce } from './rpc-provider.ts'
import type { ProviderName, TransactionProvider } from './transaction-provider.ts'

/** What is found out about the limits of an API, or of the nodes of a chain: worth keeping while the process lives. */
export interface LearntLimits {
  rowCap: RowCap
  resultWindow: number
  blocks: LogRange
  hasBlockReceipts: boolean
}

export function createLearntLimits(): LearntLimits {
  return {
    rowCap: unknownRowCap,
    resultWindow: INITIAL_RESULT_WINDOW,
    blocks: initialBlocksAtOnce,
    hasBlockReceipts: true,
  }
}

export interface OpenProviderOptions {
  readonly provider: ProviderName
  readonly chainId: number
  readonly settings: ProviderSettings
  readonly learnt: LearntLimits
  /** The chain that the worker itself is connected to, which the provider rpc may use. */
  readonly chain?: (() => AnyChainAccess) | undefined
  readonly logger: Logger
}

/**
 * Makes the provider of this name ready for a chain. To be closed.
 * @throws ProviderError `unconfigured` or `key_refused` when a setting is missing; `unreachable` and others when the node does not answer.
 */
export async function openProvider({
  provider,
  chainId,
  settings,
  learnt,
  chain,
  logger,
}: OpenProviderOptions): Promise<TransactionProvider> {
  switch (provider) {
    case 'etherscan': {
      const { etherscanKey, etherscanUrl, etherscanTimeoutMs } = settings
      if (etherscanKey === undefined) throw keyMissing()
      const api = createEtherscanApi({
        url: etherscanUrl,
        apiKey: etherscanKey,
        chainId,
        timeoutMs: etherscanTimeoutMs,
      })
      return createEtherscanProvider({ api, learnt })
    }
    case 'rpc': {
      const node = await openRpcNode({ chainId, rpcUrls: settings.rpcUrls, chain, logger })
      return createRpcProvider({ node, learnt })
    }
  }
}

function keyMissing(): ProviderError {
  return new ProviderError(
    'key_refused',
    'The provider etherscan needs an API key: set ETHERSCAN_API_KEY, in the environment of every worker, or use the provider rpc.',
  )
}

import { type Anvil, type EvmProxy, startAnvil, startEvmProxy } from '@blockmill/testkit'
import { afterAll, beforeAll, describe } from 'vitest'

import { createEvmSource, createSilentLogger } from '../src/index.ts'
import { type ContractChain, describeChainSource } from './chain-source-contract.ts'

let chain: Anvil
let proxy: EvmProxy

beforeAll(async () => {
  chain = await startAnvil({ finalityLag: 2 })
  proxy = await startEvmProxy({ target: chain.url })
  await chain.mine(4)
})
afterAll(async () => {
  await proxy.stop()
  await chain.stop()
})

describe('the contract of chain sources', () => {
  const endpoint = (url: string): ContractChain => ({
    createSource: () =>
      createEvmSource({
        endpoints: [url],
        logger: createSilentLogger(),
        requestTimeoutMs: 1_000,
        maxBackoffMs: 200,
        heartbeatMs: 200,
      }),
    produce: async (blocks) => void (await chain.mine(blocks)),
    lag: (blocks) => proxy.lag(blocks),
    failNextBlock: () => proxy.fail({ method: 'eth_getBlockByNumber' }),
    setReachable: (reachable) => proxy.disconnect(!reachable),
  })

  describeChainSource('an EVM node over WebSocket', () => endpoint(proxy.wsUrl))
  describeChainSource('an EVM node over HTTP', () => endpoint(proxy.url), { subscribes: false })
})

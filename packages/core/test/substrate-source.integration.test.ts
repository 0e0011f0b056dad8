import { createScriptedChain, type DevChain, startDevChain } from '@blockmill/testkit'
import { afterAll, beforeAll, describe } from 'vitest'

import { createSilentLogger, createSubstrateSource } from '../src/index.ts'
import { describeChainSource } from './chain-source-contract.ts'

describe('the contract of chain sources', () => {
  let chain: DevChain

  beforeAll(async () => {
    chain = await startDevChain({ finalityLag: 1 })
    await chain.produceBlock(3)
  })
  afterAll(() => chain.stop())

  describeChainSource('a Substrate node', () => ({
    createSource: () =>
      createSubstrateSource({
        endpoints: [chain.url],
        logger: createSilentLogger(),
        requestTimeoutMs: 1_000,
        maxBackoffMs: 200,
      }),
    produce: async (blocks) => {
      await chain.produceBlock(blocks)
    },
    lag: (blocks) => chain.faults.lag(blocks),
    failNextBlock: () => chain.faults.fail({ method: 'chain_getBlockHash' }),
    setReachable(reachable) {
      chain.faults.refuseConnections(!reachable)
      if (!reachable) chain.faults.dropConnections()
    },
  }))
})

describe('the contract, kept by the scripted chain too', () => {
  let scripted = createScriptedChain({ head: 4, finalityLag: 1 })

  describeChainSource('a script', () => ({
    createSource: () => (scripted = createScriptedChain({ head: 4, finalityLag: 1 })),
    produce: async (blocks) => scripted.advance(blocks),
    lag: (blocks) => scripted.lag(blocks),
    failNextBlock: () => scripted.fail(1, { request: 'block' }),
    setReachable: (reachable) => (reachable ? scripted.resume() : scripted.disconnect()),
  }))
})

import {
  createScriptedChain,
  type DevChain,
  JsonRpcError,
  type JsonRpcMethod,
  startDevChain,
  startJsonRpcServer,
} from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { createSilentLogger, createSubstrateSource, type SubstrateSource } from '../src/index.ts'
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
        requestTimeoutMs: 3_000,
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

describe('a Substrate source', () => {
  const hashOf = (number: unknown): string => `0x${Number(number).toString(16).padStart(64, '0')}`
  const count = { chain_getHeader: 0, chain_getBlockHash: 0 }

  const sourceOf = async (methods: Record<string, JsonRpcMethod>): Promise<SubstrateSource> => {
    const server = await startJsonRpcServer({
      port: 0,
      methods: {
        chain_getBlockHash([number = 9]) {
          count.chain_getBlockHash += 1
          return Array.isArray(number) ? number.map(hashOf) : hashOf(number)
        },
        chain_getHeader([hash]) {
          count.chain_getHeader += 1
          return { number: `0x${BigInt(String(hash)).toString(16)}`, parentHash: hashOf(0) }
        },
        state_getStorage: () => null,
        ...methods,
      },
    })
    const source = createSubstrateSource({
      endpoints: [`ws://127.0.0.1:${server.port}`],
      logger: createSilentLogger(),
    })
    onTestFinished(async () => {
      await source.close()
      await server.stop()
    })
    await source.start()
    count.chain_getHeader = 0
    count.chain_getBlockHash = 0
    return source
  }

  it('asks for the header of an unchanged head only once', async () => {
    const source = await sourceOf({})
    for (let poll = 0; poll < 10; poll++) expect((await source.head()).number).toBe(9)
    expect(count).toEqual({ chain_getHeader: 1, chain_getBlockHash: 10 })
  })

  it('reads tens of thousands of hashes in few requests, in order', async () => {
    const source = await sourceOf({})
    const numbers = Array.from({ length: 12_000 }, (_, index) => 12_000 - index)
    expect(await source.hashes(numbers)).toEqual(numbers.map(hashOf))
    expect(count.chain_getBlockHash).toBe(3)
  })

  it('has blocks without a time where the chain keeps none, or the node no longer has the state', async () => {
    expect(await (await sourceOf({})).block(3)).not.toHaveProperty('timestamp')
    const pruned = await sourceOf({
      state_getStorage: () => {
        throw new JsonRpcError(4003, 'Client error: UnknownBlock: State already discarded for 0x00')
      },
    })
    expect(await pruned.block(3)).toEqual({ number: 3, hash: hashOf(3), parentHash: hashOf(0) })
  })

  it('does not take another failure for a block without a time', async () => {
    const source = await sourceOf({
      state_getStorage: () => {
        throw new JsonRpcError(-32_000, 'busy')
      },
    })
    await expect(source.block(3)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_RPC_FAILED' })
  })

  it.each([
    ['chain_getBlockHash', ([number]: readonly unknown[]) => (number === 0 ? hashOf(0) : 'nonsense')],
    ['chain_getHeader', () => ({ number: 9 })],
    ['state_getStorage', () => '0x01'],
  ])('reports an answer to %s that makes no sense as retryable', async (method, answer) => {
    const source = await sourceOf({ [method]: answer })
    await expect(source.block(9)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_DATA_INVALID' })
  })

  it('refuses a list of hashes that is shorter than what was asked', async () => {
    const source = await sourceOf({ chain_getBlockHash: ([number]) => (Array.isArray(number) ? [] : hashOf(number)) })
    await expect(source.hashes([1, 2])).rejects.toMatchObject({ code: 'CHAIN_DATA_INVALID' })
  })

  it('follows a node that allows no subscriptions', async () => {
    const source = await sourceOf({
      chain_subscribeNewHeads: () => {
        throw new JsonRpcError(-32_601, 'Method not found')
      },
    })
    expect((await source.head()).number).toBe(9)
  })
})

import { type Anvil, type EvmProxy, startAnvil, startEvmProxy, startJsonRpcServer } from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { createEvmSource, createSilentLogger, type EvmSource, type EvmSourceOptions } from '../src/index.ts'
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
        requestTimeoutMs: 3_000,
        maxBackoffMs: 200,
        heartbeatMs: 1_000,
      }),
    produce: async (blocks) => void (await chain.mine(blocks)),
    lag: (blocks) => proxy.lag(blocks),
    failNextBlock: () => proxy.fail({ method: 'eth_getBlockByNumber' }),
    setReachable: (reachable) => proxy.disconnect(!reachable),
  })

  describeChainSource('an EVM node over WebSocket', () => endpoint(proxy.wsUrl))
  describeChainSource('an EVM node over HTTP', () => endpoint(proxy.url), { subscribes: false })
})

describe('an EVM source', () => {
  const startedSource = async (endpoint: string, options: Partial<EvmSourceOptions> = {}): Promise<EvmSource> => {
    const source = createEvmSource({
      endpoints: [endpoint],
      logger: createSilentLogger(),
      requestTimeoutMs: 10_000,
      maxBackoffMs: 200,
      ...options,
    })
    onTestFinished(() => source.close())
    await source.start()
    return source
  }

  it.each([
    ['WebSocket', () => chain.wsUrl],
    ['HTTP', () => chain.url],
  ])('sees by %s what a reorganisation replaced', async (_, url) => {
    const source = await startedSource(url())
    const before = await chain.mine(6)
    const numbers = Array.from({ length: 6 }, (__, index) => before.number - index)
    const hashes = await source.hashes(numbers)
    const after = await chain.reorg(3)
    expect(await source.head()).toEqual(after)
    expect((await source.block(before.number))?.hash).not.toBe(before.hash)
    const now = await source.hashes(numbers)
    expect(now.map((hash, index) => hash === hashes[index])).toEqual([false, false, false, true, true, true])
    expect((await source.block(before.number - 2))?.parentHash).toBe(hashes[3])
  })

  it('is refused by an endpoint of another chain, and uses the right one', async () => {
    const other = await startAnvil()
    onTestFinished(() => other.stop())
    const source = await startedSource(chain.url, {
      endpoints: [other.url, chain.wsUrl],
      expectedGenesisHash: chain.genesisHash,
    })
    expect(await source.genesisHash()).toBe(chain.genesisHash)
    expect((await source.head()).number).toBeGreaterThan(0)
    const wrong = createEvmSource({
      endpoints: [other.url, other.wsUrl],
      logger: createSilentLogger(),
      expectedGenesisHash: chain.genesisHash,
    })
    onTestFinished(() => wrong.close())
    await expect(wrong.start()).rejects.toMatchObject({ kind: 'configuration', code: 'CHAIN_WRONG_GENESIS' })
  })

  it('finds back to a node that was killed, over HTTP as over WebSocket', async () => {
    const own = await startAnvil()
    onTestFinished(() => own.stop())
    await own.mine(3)
    await own.restart()
    const sources = [await startedSource(own.url, { heartbeatMs: 500 }), await startedSource(own.wsUrl)]
    await own.kill()
    for (const source of sources) {
      await expect.poll(() => source.isHealthy()).toBe(false)
    }
    await own.restart()
    for (const source of sources) {
      await expect.poll(() => source.isHealthy()).toBe(true)
      expect((await source.head()).number).toBe(3)
    }
  })

  it('gives up a node that does not answer any more', async () => {
    const source = await startedSource(proxy.url, { heartbeatMs: 100, requestTimeoutMs: 300 })
    proxy.stall(true)
    onTestFinished(() => proxy.stall(false))
    await expect(source.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
    await expect.poll(() => source.isHealthy()).toBe(false)
  })

  it('asks for many hashes in few requests, smaller ones when the endpoint wants, and single ones in the end', async () => {
    const { number } = await chain.mine(120)
    const numbers = Array.from({ length: 120 }, (_, index) => number - index)
    const source = await startedSource(proxy.url)
    const bodiesOf = async (): Promise<readonly number[]> => {
      const before = proxy.bodies.length
      expect((await source.hashes(numbers)).every((hash) => hash?.length === 66)).toBe(true)
      return proxy.bodies.slice(before)
    }
    onTestFinished(() => proxy.limitBatches(undefined))
    expect(Math.max(...(await bodiesOf()))).toBeGreaterThan(10)
    proxy.limitBatches(5)
    await bodiesOf()
    const limited = await bodiesOf()
    expect(Math.max(...limited)).toBeLessThanOrEqual(5)
    expect(Math.max(...limited)).toBeGreaterThan(1)
    proxy.limitBatches(1)
    await bodiesOf()
    expect(new Set(await bodiesOf())).toEqual(new Set([1]))
  })

  it('reads many hashes from a slow endpoint, however much longer than one request that takes', async () => {
    const block = { hash: `0x${'9'.repeat(64)}`, parentHash: `0x${'8'.repeat(64)}`, timestamp: '0x1' }
    const server = await startJsonRpcServer({
      port: 0,
      methods: {
        async eth_getBlockByNumber([number]) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          return { ...block, number }
        },
      },
    })
    onTestFinished(() => server.stop())
    const source = await startedSource(`ws://127.0.0.1:${server.port}`, { requestTimeoutMs: 4_000 })
    const numbers = Array.from({ length: 1_500 }, (_, number) => number)
    expect(await source.hashes(numbers)).toEqual(numbers.map(() => block.hash))
  })

  it('waits as long as an endpoint asks it to that is asked too often', async () => {
    const source = await startedSource(proxy.url)
    proxy.refuseRequests({ times: 1, retryAfter: '1' })
    const began = performance.now()
    expect((await source.head()).number).toBeGreaterThan(0)
    expect(performance.now() - began).toBeGreaterThan(950)
  })

  it.each([
    [{ number: '0x20000000000001' }, /not a block number/],
    [{ number: '0x7' }, /not block 9/],
    [{ hash: '0x12' }, /not a block hash/],
    [{ timestamp: 'soon' }, /not a block time/],
  ])('reports a block with %j as retryable', async (changes, message) => {
    const good = { hash: `0x${'9'.repeat(64)}`, parentHash: `0x${'8'.repeat(64)}`, timestamp: '0x1' }
    const server = await startJsonRpcServer({
      port: 0,
      methods: {
        eth_getBlockByNumber: ([number]) => ({ ...good, number, ...(number === '0x9' && changes) }),
        eth_subscribe: () => '0x1',
      },
    })
    onTestFinished(() => server.stop())
    const source = await startedSource(`ws://127.0.0.1:${server.port}`)
    expect((await source.block(8))?.number).toBe(8)
    const reading = source.block(9)
    await expect(reading).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_DATA_INVALID' })
    await expect(reading).rejects.toThrow(message)
  })
})

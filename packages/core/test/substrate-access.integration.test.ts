import { ApiPromise, WsProvider } from '@polkadot/api'
import type { ProviderInterface } from '@polkadot/rpc-provider/types'
import type { EventRecord, RuntimeVersion } from '@polkadot/types/interfaces'
import { type DevChain, startDevChain } from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'

import {
  createSilentLogger,
  createSubstrateAccess,
  createChainConnection,
  RetryableError,
  type SubstrateAccess,
  substrateProtocol,
  type ChainConnection,
} from '../src/index.ts'

const ALICE = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY'
const TIMESTAMP_NOW = '0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb'

let chain: DevChain
let connection: ChainConnection

beforeAll(async () => {
  chain = await startDevChain()
  await chain.produceBlock(5)
  connection = createChainConnection({
    protocol: substrateProtocol,
    endpoints: [chain.url],
    logger: createSilentLogger(),
  })
  await connection.start()
})
afterAll(async () => {
  await connection.close()
  await chain.stop()
})

const freshAccess = (over: ChainConnection = connection): SubstrateAccess =>
  createSubstrateAccess({ id: 'dev', connection: over })

describe('a Substrate chain as task code sees it', () => {
  it('reads state at the block that was asked for', async () => {
    const access = freshAccess()
    const times = await Promise.all(
      [2, 3, 4].map(async (number) => (await (await access.at(number)).query.timestamp.now()).toNumber()),
    )
    expect(times[1]).toBeGreaterThan(times[0] ?? Number.NaN)
    expect(times[2]).toBeGreaterThan(times[1] ?? Number.NaN)
  })

  it('gives the whole API of a block: queries, entries, constants, runtime calls, errors and events', async () => {
    const api = await freshAccess().at(3)
    expect((await api.query.system.account.entries()).length).toBeGreaterThan(0)
    expect((await api.query.system.account(ALICE)).nonce.toNumber()).toBe(0)
    expect(api.consts.system.blockHashCount?.toString()).toBe('2400')
    expect((await api.call.core.version<RuntimeVersion>()).specName.toString()).toBe('statemine')
    expect(api.events.system.ExtrinsicSuccess.is).toBeTypeOf('function')
    expect(Object.keys(api.errors)).toContain('balances')
  })

  it('makes one API per block, whoever asks and however', async () => {
    const access = freshAccess()
    const hash = chain.head().hash
    const [first, second] = await Promise.all([access.at(chain.head().number), access.at({ number: 1, hash })])
    expect(second).toBe(first)
    expect(await access.at(2)).not.toBe(first)
  })

  it('decodes a block and its extrinsics', async () => {
    const { number, hash, parentHash } = chain.head()
    const block = await freshAccess().block(number)
    expect(block).toMatchObject({ number, hash, parentHash, specName: 'statemine', specVersion: 900 })
    expect(block.header.number.toNumber()).toBe(number)
    const calls = block.extrinsics.map(({ method }) => `${method.section}.${method.method}`)
    expect(calls).toEqual(['timestamp.set', 'parachainSystem.setValidationData'])
  })

  it('decodes the events of a block', async () => {
    const events = await freshAccess().events(chain.head())
    expect(events.map(({ event }) => `${event.section}.${event.method}`)).toEqual([
      'system.ExtrinsicSuccess',
      'system.ExtrinsicSuccess',
    ])
  })

  it('decodes the genesis block, which has no parent', async () => {
    const access = freshAccess()
    expect(await access.block(0)).toMatchObject({ number: 0, hash: chain.genesisHash, extrinsics: [] })
    expect(await access.events(0)).toEqual([])
  })

  it('reads single storage entries as the API does', async () => {
    const access = freshAccess()
    const api = await access.at(4)
    expect((await access.storage(4, 'timestamp.now')).toHex()).toBe((await api.query.timestamp.now()).toHex())
    const account = await access.storage(4, 'system.account', ALICE)
    expect(account.toHuman()).toEqual((await api.query.system.account(ALICE)).toHuman())
    const assets = api.query['assets']?.['asset']
    expect((await access.storage(4, 'assets.asset', 7)).isEmpty).toBe(true)
    expect((await assets?.(7))?.isEmpty).toBe(true)
  })

  it.each([
    ['nothing.here', [], /Runtime statemine\/900 has no storage entry 'nothing\.here'/],
    ['system', [], /has no storage entry 'system'/],
    ['system.toString', [], /has no storage entry/],
    ['system.account', [], /keys of storage entry 'system\.account' do not fit: .*1 values/],
    ['system.account', ['nobody'], /keys of storage entry 'system\.account' do not fit/],
  ])('refuses the storage entry %s with keys %j', async (entry, keys, message) => {
    const reading = freshAccess().storage(1, entry, ...keys)
    await expect(reading).rejects.toThrow(message)
    await expect(reading).rejects.toMatchObject({ kind: 'non-retryable', code: 'CHAIN_DATA_INVALID' })
  })

  it('says that a block does not exist yet, and reads it once it does', async () => {
    const access = freshAccess()
    const next = chain.head().number + 1
    await expect(access.block(next)).rejects.toThrow(`has no block ${next}`)
    await expect(access.at(next)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_RPC_FAILED' })
    await chain.produceBlock()
    expect((await access.block(next)).number).toBe(next)
    expect(await access.at(next)).toBeDefined()
  })

  it('says that a hash is unknown', async () => {
    const hash = `0x${'ab'.repeat(32)}`
    await expect(freshAccess().block({ number: 1, hash })).rejects.toThrow(`does not know block ${hash}`)
    await expect(freshAccess().events({ number: 1, hash })).rejects.toThrow(`does not know block ${hash}`)
  })

  it('loads the metadata of a runtime once, for many blocks at the same time', async () => {
    const send = vi.spyOn(connection, 'send')
    onTestFinished(() => send.mockRestore())
    const access = freshAccess()
    await Promise.all([1, 2, 3, 4, 5].map((number) => access.events(number)))
    await access.at(2)
    expect(send.mock.calls.filter(([method]) => method === 'state_getMetadata')).toHaveLength(1)
  })

  it.each(['state_getStorage', 'state_getMetadata', 'state_getRuntimeVersion', 'chain_getHeader', 'chain_getBlock'])(
    'reports an answer to %s that makes no sense, and recovers from it',
    async (method) => {
      let broken = true
      const access = freshAccess(intercept(method, async (_params, answer) => (broken ? { not: 'expected' } : answer)))
      await expect(Promise.all([access.block(2), access.events(2)])).rejects.toMatchObject({
        code: 'CHAIN_DATA_INVALID',
      })
      broken = false
      expect((await Promise.all([access.block(2), access.events(2)]))[1]).toHaveLength(2)
    },
  )
})

/** How `@polkadot/api` 16.5.6 by itself lets one failed request spoil later ones, and that `chain` does not. */
describe('after a request that failed once', () => {
  const block = { number: 2, hash: '' }
  beforeAll(async () => {
    block.hash = String(await connection.send('chain_getBlockHash', [block.number]))
  })

  it('the API by itself never reads that block or its state again, because it memoizes the rejected registry', async () => {
    const api = await naiveApi(new UncachedProvider(chain.url))
    chain.faults.fail({ method: 'chain_getHeader', block: block.number })
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(api.rpc.chain.getBlock(block.hash)).rejects.toThrow('Injected failure')
      const queries = (await api.at(block.hash)).query
      await expect(queries.timestamp.now()).rejects.toThrow('Injected failure')
    }
  })

  it.each([undefined, 0])(
    "the provider's cache keeps answering with the rejection, with capacity %j",
    async (capacity) => {
      const provider = new WsProvider(chain.url, undefined, undefined, undefined, capacity)
      onTestFinished(() => provider.disconnect())
      await provider.isReady
      chain.faults.fail({ method: 'state_getStorage', block: block.number })
      await expect(provider.send('state_getStorage', [TIMESTAMP_NOW, block.hash], true)).rejects.toThrow('Injected')
      await expect(provider.send('state_getStorage', [TIMESTAMP_NOW, block.hash], true)).rejects.toThrow('Injected')
    },
  )

  it.each(['chain_getBlockHash', 'chain_getBlock', 'state_getRuntimeVersion', 'state_getMetadata', 'system_chain'])(
    'a block is read again at once, though %s failed',
    async (method) => {
      const access = freshAccess()
      chain.faults.fail({ method })
      await expect(access.block(block.number)).rejects.toBeInstanceOf(RetryableError)
      expect((await access.block(block.number)).hash).toBe(block.hash)
    },
  )

  it('a block that failed ten times is read the eleventh time, with its events and its API', async () => {
    const access = freshAccess()
    chain.faults.fail({ method: 'chain_getHeader', block: block.number, times: 10 })
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      await expect(access.events(block)).rejects.toBeInstanceOf(RetryableError)
      await expect(access.at(block)).rejects.toBeInstanceOf(RetryableError)
    }
    expect((await access.events(block)).length).toBeGreaterThan(0)
    expect((await (await access.at(block)).query.timestamp.now()).toNumber()).toBeGreaterThan(0)
  })

  it.each(['chain_getHeader', 'state_getStorage', 'state_getRuntimeVersion'])(
    'events are read again at once, though %s failed',
    async (method) => {
      const access = freshAccess()
      chain.faults.fail({ method })
      await expect(access.events(block)).rejects.toBeInstanceOf(RetryableError)
      expect((await access.events(block)).length).toBeGreaterThan(0)
    },
  )

  it.each(['chain_getHeader', 'state_getRuntimeVersion', 'state_getMetadata', 'state_getStorage'])(
    'the API of a block works again at once, though %s failed',
    async (method) => {
      const access = freshAccess()
      const now = async () => (await access.at(block)).query.timestamp.now()
      chain.faults.fail({ method })
      await expect(now()).rejects.toBeInstanceOf(RetryableError)
      expect((await now()).toNumber()).toBeGreaterThan(0)
    },
  )
})

/** Blocks are executed by the runtime of their parent: the block that upgrades is the last one of the old runtime. */
describe('after a runtime upgrade', () => {
  const names = (events: readonly EventRecord[]): string[] => events.map(({ event }) => event.method)
  const [OLD, NEW] = [Array(2).fill('ExtrinsicSuccess'), Array(2).fill('ExtrinsicSucceed')]
  let upgrade: number

  it('the API by itself decodes blocks that it has seen before with the new runtime', async () => {
    const seen = chain.head().hash
    const api = await naiveApi(new WsProvider(chain.url))
    const eventsOf = async (hash: string) => names(await (await api.at(hash)).query.system.events())
    expect(await eventsOf(seen)).toEqual(OLD)

    upgrade = (await chain.upgradeRuntime()).number
    await chain.produceBlock(2)
    await expect.poll(() => api.runtimeVersion.specVersion.toNumber()).toBe(901)
    await eventsOf(chain.head().hash)

    expect(await eventsOf(seen)).toEqual(NEW)
  })

  it('every block is decoded with the runtime that executed it, in any order', async () => {
    const access = freshAccess()
    for (const number of [upgrade + 1, upgrade - 1, upgrade, upgrade + 2, upgrade, upgrade + 1]) {
      const [events, specVersion] = number > upgrade ? [NEW, 901] : [OLD, 900]
      const api = await access.at(number)
      expect(names(await access.events(number))).toEqual(events)
      expect(names(await api.query.system.events())).toEqual(events)
      expect(api.runtimeVersion.specVersion.toNumber()).toBe(specVersion)
      expect((await access.block(number)).specVersion).toBe(specVersion)
    }
  })

  it('the metadata of both runtimes is loaded once, and again only when it had to make room', async () => {
    const send = vi.spyOn(connection, 'send')
    onTestFinished(() => send.mockRestore())
    const loads = async (maxRuntimes: number): Promise<number> => {
      send.mockClear()
      const access = createSubstrateAccess({ id: 'dev', connection, maxRuntimes })
      for (const number of [upgrade, upgrade + 1, upgrade, upgrade + 1]) await access.events(number)
      return send.mock.calls.filter(([method]) => method === 'state_getMetadata').length
    }
    expect(await loads(2)).toBe(2)
    expect(await loads(1)).toBe(4)
  })
})

/** `@polkadot/api` as it is, on a provider whose cache is off, so that only its own memory is left. */
class UncachedProvider extends WsProvider {
  override send<T>(...[method, params, , subscription]: Parameters<WsProvider['send']>): Promise<T> {
    return super.send<T>(method, params, false, subscription)
  }
}

async function naiveApi(provider: WsProvider): Promise<ApiPromise> {
  // It writes every failure and upgrade to the console.
  for (const method of ['log', 'warn', 'error'] as const) {
    const quiet = vi.spyOn(console, method).mockImplementation(() => undefined)
    onTestFinished(() => quiet.mockRestore())
  }
  // The library's own types disagree with each other under `exactOptionalPropertyTypes`.
  const api = await ApiPromise.create({ provider: provider as ProviderInterface, noInitWarn: true })
  onTestFinished(() => api.disconnect())
  return api
}

/** The shared connection with the answers of one method changed. */
function intercept(
  intercepted: string,
  change: (params: readonly unknown[], answer: unknown) => Promise<unknown>,
): ChainConnection {
  return {
    ...connection,
    async send(method, params = []) {
      const answer = await connection.send(method, params)
      return method === intercepted ? change(params, answer) : answer
    },
  }
}

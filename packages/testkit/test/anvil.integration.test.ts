import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { type Anvil, type EvmProxy, startAnvil, startEvmProxy, waitFor } from '../src/index.ts'
import { findAnvil } from '../src/chain/anvil-binary.ts'
import { connectRpc } from './rpc-client.ts'

let chain: Anvil

beforeAll(async () => {
  chain = await startAnvil({ finalityLag: 2 })
  await chain.mine(5)
})
afterAll(() => chain.stop())

describe('startAnvil', () => {
  it('builds blocks when it is told to, and finalizes them later', async () => {
    const before = await chain.head()
    expect(await chain.head()).toEqual(before)
    const after = await chain.mine(3)
    expect(after.number).toBe(before.number + 3)
    expect(await chain.finalized()).toMatchObject({ number: after.number - 2 })
  })

  it('replaces its newest blocks', async () => {
    const { number, hash } = await chain.head()
    const kept = await chain.request('eth_getBlockByNumber', [`0x${(number - 2).toString(16)}`, false])
    const head = await chain.reorg(2)
    expect(head.number).toBe(number)
    expect(head.hash).not.toBe(hash)
    expect(await chain.request('eth_getBlockByNumber', [`0x${(number - 2).toString(16)}`, false])).toEqual(kept)
  })

  it('keeps port, genesis and blocks over a restart, and the genesis over a crash', async () => {
    const [head, { url, genesisHash, pid }] = [await chain.head(), chain]
    await chain.restart()
    expect(await chain.head()).toEqual(head)
    expect(chain.pid).not.toBe(pid)
    await chain.mine(2)
    await chain.kill()
    await expect(chain.head()).rejects.toThrow()
    await chain.restart()
    expect(await chain.head()).toEqual(head)
    expect(chain).toMatchObject({ url, genesisHash })
  })

  it('is another chain each time', async () => {
    const other = await startAnvil({ blockTime: 100 })
    onTestFinished(() => other.stop())
    expect(other.genesisHash).not.toBe(chain.genesisHash)
    await waitFor(async () => (await other.head()).number >= 2, { describe: 'blocks at an interval' })
    await other.stop()
    await other.stop()
    await expect(other.head()).rejects.toThrow()
  })

  it('refuses a finality lag that anvil cannot have', async () => {
    await expect(startAnvil({ finalityLag: 3 })).rejects.toThrow('finalityLag is 3; it must be an even number')
  })

  it('says which package is missing on a platform without one', () => {
    expect(() => findAnvil('sunos', 'ppc')).toThrow(/@foundry-rs\/anvil-sunos-ppc.* is not installed/)
  })

  it('ends with the process that started it', async () => {
    const entry = new URL('../src/index.ts', import.meta.url).href
    const program = `const { startAnvil } = await import('${entry}'); console.log((await startAnvil()).url); process.exit(0)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(output).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/)
    await waitFor(
      async () =>
        fetch(output.trim()).then(
          () => false,
          () => true,
        ),
      { describe: 'anvil to be gone' },
    )
  })
})

describe('startEvmProxy', () => {
  let proxy: EvmProxy
  beforeAll(async () => {
    proxy = await startEvmProxy({ target: chain.url })
  })
  afterAll(() => proxy.stop())

  const post = async (body: unknown): Promise<Response> =>
    fetch(proxy.url, { method: 'POST', headers: { connection: 'close' }, body: JSON.stringify(body) })
  const request = (method: string, ...params: unknown[]) => ({ jsonrpc: '2.0', id: 1, method, params })

  it('passes on what is asked by HTTP, alone and in batches, and by WebSocket', async () => {
    const head = { number: `0x${(await chain.head()).number.toString(16)}` }
    const ask = request('eth_getBlockByNumber', 'latest', false)
    expect(await (await post(ask)).json()).toMatchObject({ id: 1, result: head })
    expect(await (await post([ask, request('eth_nothing')])).json()).toMatchObject([
      { result: head },
      { error: { code: -32_601 } },
    ])
    expect(proxy.bodies).toEqual([1, 2])
    await using rpc = await connectRpc(proxy.wsUrl)
    expect(await rpc.call('eth_getBlockByNumber', ['latest', false])).toMatchObject(head)
    await rpc.call('eth_subscribe', ['newHeads'])
    await chain.mine()
    await expect.poll(() => rpc.notifications.length).toBe(1)
  })

  it('hides blocks of a node that lags', async () => {
    await using rpc = await connectRpc(proxy.wsUrl)
    const { number } = await chain.head()
    const numberOf = async (name: string) =>
      Number(
        ((await rpc.call('eth_getBlockByNumber', [name, false])) as { number?: string } | null)?.number ?? Number.NaN,
      )
    proxy.lag(4)
    expect(await Promise.all(['latest', 'finalized', `0x${number.toString(16)}`].map(numberOf))).toEqual([
      number - 4,
      number - 4,
      Number.NaN,
    ])
    proxy.lag(0)
    expect(await numberOf('latest')).toBe(number)
  })

  it('refuses, fails and disconnects when told to', async () => {
    proxy.refuseRequests({ times: 1, retryAfter: '7' })
    const refused = await post(request('eth_chainId'))
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '7'])
    proxy.limitBatches(1)
    expect(await (await post([request('eth_chainId'), request('eth_chainId')])).json()).toMatchObject({ id: null })
    proxy.fail({ method: 'eth_chainId' })
    expect(await (await post(request('eth_chainId'))).json()).toMatchObject({ error: { message: 'Injected failure' } })
    proxy.disconnect(true)
    await expect(post(request('eth_chainId'))).rejects.toThrow()
    proxy.disconnect(false)
    expect((await post(request('eth_chainId'))).status).toBe(200)
  })
})

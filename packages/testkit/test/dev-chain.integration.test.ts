import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { type DevChain, startDevChain } from '../src/index.ts'
import { connectRpc } from './rpc-client.ts'

describe('startDevChain', () => {
  let chain: DevChain

  beforeAll(async () => {
    chain = await startDevChain({ finalityLag: 1 })
    await chain.produceBlock(3)
  })
  afterAll(() => chain.stop())

  it('builds real blocks, each on its parent', async () => {
    await using rpc = await connectRpc(chain.url)
    const head = chain.head()
    expect(head.number).toBe(4)
    expect(await rpc.call('chain_getHeader')).toMatchObject({ number: '0x00000004', parentHash: head.parentHash })
    expect(await rpc.call('chain_getBlockHash', [3])).toBe(head.parentHash)
    const block = (await rpc.call('chain_getBlock', [head.hash])) as { block: { extrinsics: string[] } }
    expect(block.block.extrinsics.length).toBeGreaterThan(0)
    expect(await rpc.call('state_getRuntimeVersion', [head.hash])).toMatchObject({ specName: 'statemine' })
  })

  it('answers for many numbers at once, with null above the head', async () => {
    await using rpc = await connectRpc(chain.url)
    const { number, hash } = chain.head()
    expect(await rpc.call('chain_getBlockHash', [[0, number, number + 1]])).toEqual([chain.genesisHash, hash, null])
  })

  it('knows no block that it did not build', async () => {
    await using rpc = await connectRpc(chain.url)
    const unknown = `0x${'ab'.repeat(32)}`
    expect(await rpc.call('chain_getHeader', [unknown])).toBeNull()
    expect(await rpc.call('chain_getBlock', [unknown])).toBeNull()
    await expect(rpc.call('state_getStorage', ['0x00', unknown])).rejects.toMatchObject({ code: 4003 })
  })

  it('announces every head and, behind it, what is finalized', async () => {
    await using rpc = await connectRpc(chain.url)
    const first = chain.head().number
    await rpc.call('chain_subscribeNewHeads')
    await rpc.call('chain_subscribeFinalizedHeads')
    const numbers = (method: string): number[] =>
      rpc.notifications
        .filter((notification) => notification.method === method)
        .map(({ result }) => Number((result as { number: string }).number))
    await expect.poll(() => rpc.notifications.length).toBe(2)

    await chain.produceBlock(2)

    await expect.poll(() => numbers('chain_newHead')).toEqual([first, first + 1, first + 2])
    await expect.poll(() => numbers('chain_finalizedHead')).toEqual([first - 1, first, first + 1])
    expect(await rpc.call('chain_getFinalizedHead')).toBe(chain.head().parentHash)
  })

  it('says what is wrong with a request', async () => {
    await using rpc = await connectRpc(chain.url)
    await expect(rpc.call('toString')).rejects.toMatchObject({ code: -32_601 })
    expect(await rpc.raw('{')).toMatchObject({ id: null, error: { code: -32_700 } })
    expect(await rpc.raw('[]')).toMatchObject({ id: null, error: { code: -32_600 } })
    expect(await rpc.raw('{"id":1,"method":"system_chain","params":{}}')).toMatchObject({ error: { code: -32_602 } })
  })

  it('fails a method for one block as often as told', async () => {
    await using rpc = await connectRpc(chain.url)
    const block = chain.head()
    chain.faults.fail({ method: 'chain_getHeader', block: block.number, times: 2, error: { code: -1, message: 'no' } })
    expect(await rpc.call('chain_getHeader', [block.parentHash])).not.toBeNull()
    await expect(rpc.call('chain_getHeader', [block.hash])).rejects.toMatchObject({ code: -1, message: 'no' })
    await expect(rpc.call('chain_getHeader', [block.hash])).rejects.toMatchObject({ code: -1 })
    expect(await rpc.call('chain_getHeader', [block.hash])).not.toBeNull()
  })

  it('hides the newest blocks while it lags', async () => {
    await using rpc = await connectRpc(chain.url)
    const { number, hash } = chain.head()
    chain.faults.lag(2)
    expect(await rpc.call('chain_getBlockHash')).toBe(await rpc.call('chain_getBlockHash', [number - 2]))
    expect(await rpc.call('chain_getBlockHash', [number])).toBeNull()
    expect(await rpc.call('chain_getHeader', [hash])).toBeNull()
    chain.faults.lag(0)
    expect(await rpc.call('chain_getBlockHash', [number])).toBe(hash)
  })

  it('upgrades its runtime from the block after the upgrade on', async () => {
    await using rpc = await connectRpc(chain.url)
    const upgrade = await chain.upgradeRuntime()
    const specVersionAt = async (hash: string) =>
      ((await rpc.call('state_getRuntimeVersion', [hash])) as { specVersion: number }).specVersion
    expect(await specVersionAt(upgrade.parentHash)).toBe(900)
    expect(await specVersionAt(upgrade.hash)).toBe(901)
    expect((await chain.produceBlock()).parentHash).toBe(upgrade.hash)
    expect(await specVersionAt((await chain.upgradeRuntime()).hash)).toBe(902)
  })

  it('is silent while it stalls, and answers afterwards', async () => {
    await using rpc = await connectRpc(chain.url)
    chain.faults.stall(true)
    let answered = false
    const waiting = rpc.call('system_chain').then(() => (answered = true))
    const late = connectRpc(chain.url)
    await using other = await late
    const alsoWaiting = other.call('system_chain')
    await chain.produceBlock()
    expect(answered).toBe(false)
    chain.faults.stall(false)
    await Promise.all([waiting, alsoWaiting])
  })

  it('drops connections, and refuses new ones until it is told to take them again', async () => {
    await using rpc = await connectRpc(chain.url)
    chain.faults.refuseConnections(true)
    chain.faults.dropConnections()
    await rpc.closed
    await expect(connectRpc(chain.url)).rejects.toThrow(/503/)
    chain.faults.refuseConnections(false)
    await using again = await connectRpc(chain.url)
    expect(await again.call('system_chain')).toBe('asset-hub-rococo')
  })
})

describe('a development chain with a file', () => {
  it('goes on behind the blocks that it built before, with their state', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockmill-test-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'blocks.jsonl')
    const first = await startDevChain({ file })
    await first.produceBlock(2)
    const upgrade = await first.upgradeRuntime()
    const head = await first.produceBlock()
    const before = await readState(first.url, upgrade.hash)
    await first.stop()

    const second = await startDevChain({ file })
    onTestFinished(() => second.stop())
    expect(second.head()).toEqual(head)
    expect(await readState(second.url, upgrade.hash)).toEqual(before)
    const next = await second.produceBlock()
    expect(next).toMatchObject({ number: head.number + 1, parentHash: head.hash })
    await using rpc = await connectRpc(second.url)
    expect(await rpc.call('chain_getBlockHash', [[2, head.number]])).toEqual([expect.any(String), head.hash])
    expect(await rpc.call('state_getRuntimeVersion', [next.hash])).toMatchObject({ specVersion: 901 })
  })
})

/** What a client can read at a block. */
async function readState(url: string, hash: string): Promise<unknown> {
  await using rpc = await connectRpc(url)
  const keys = (await rpc.call('state_getKeysPaged', [SYSTEM, 100, null, hash])) as string[]
  return {
    block: await rpc.call('chain_getBlock', [hash]),
    header: await rpc.call('chain_getHeader', [hash]),
    state: await rpc.call('state_queryStorageAt', [keys, hash]),
  }
}

/** First part of the keys of the pallet System: the 128 bits of its name's hash. */
const SYSTEM = '0x26aa394eea5630e07c48ae0c9558cef7'

describe('a development chain that builds by the clock', () => {
  it('stops with the block in hand, frees its port and builds no more', async () => {
    const chain = await startDevChain({ blockTime: 50 })
    await using rpc = await connectRpc(chain.url)
    await expect.poll(() => chain.head().number, { timeout: 60_000 }).toBeGreaterThan(3)

    const began = performance.now()
    await Promise.all([chain.stop(), chain.stop()])

    expect(performance.now() - began).toBeLessThan(20_000)
    await rpc.closed
    await expect(connectRpc(chain.url)).rejects.toThrow(/ECONNREFUSED/)
    await expect(chain.produceBlock()).rejects.toThrow('stopped')
  })

  it('says when its port is taken', async () => {
    const first = await startDevChain()
    const port = Number(new URL(first.url).port)
    await expect(startDevChain({ port })).rejects.toThrow(/EADDRINUSE/)
    await first.stop()
  })

  it('leaves nothing that keeps a process alive, writes nothing and takes any LOG_LEVEL', async () => {
    const program = `
      import { startDevChain } from '@blockmill/testkit'
      const chain = await startDevChain({ blockTime: 100 })
      await chain.produceBlock(2)
      await chain.stop()
      if (process.env.LOG_LEVEL !== 'silent') throw new Error('LOG_LEVEL was changed')
    `
    const child = spawn(process.execPath, ['--eval', program], {
      cwd: import.meta.dirname,
      env: { ...process.env, LOG_LEVEL: 'silent' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const output = Promise.all([text(child.stdout), text(child.stderr)])
    const exit = once(child, 'exit')
    expect(await output).toEqual(['', ''])
    expect(await exit).toEqual([0, null])
  })
})

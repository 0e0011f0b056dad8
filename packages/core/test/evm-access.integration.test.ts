import { type Anvil, startAnvil } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { parseAbi, parseAbiItem, toEventSelector, toHex } from 'viem'

import {
  type ChainConnection,
  connectChain,
  createChain,
  createChainAccess,
  createSilentLogger,
  type EvmAccess,
  RpcAnswerError,
} from '../src/index.ts'
import { answeredWithError } from '../src/chain/rpc-failure.ts'

/** A contract that logs what it is called with: the first 32 bytes as topic, the rest as data. */
const LOGGER = '0x6011600c60003960116000f3366000600037600051602036036020a100'
const noted = parseAbiItem('event Noted(uint256 value)')
const BLOCKS_WITH_LOGS = 12

let chain: Anvil
let connection: ChainConnection
let access: EvmAccess
let address: `0x${string}`
/** Number of the first block with a log: block `first + n` has one with the value n. */
let first: number

const note = (value: number) =>
  chain.sendTransaction({ to: address, data: `${toEventSelector(noted)}${toHex(value, { size: 32 }).slice(2)}` })

async function accessTo(
  endpoint: string,
): Promise<{ access: EvmAccess; connection: ChainConnection; metrics: Registry }> {
  const metrics = new Registry()
  const made = connectChain({
    kind: 'evm',
    endpoints: [endpoint],
    logger: createSilentLogger(),
    metrics,
    requestTimeoutMs: 5_000,
  })
  await made.start()
  return {
    access: (await createChainAccess({ id: 'evm', kind: 'evm', connection: made })) as EvmAccess,
    connection: made,
    metrics,
  }
}

beforeAll(async () => {
  chain = await startAnvil()
  address = (await chain.deploy(LOGGER)) as `0x${string}`
  first = (await chain.head()).number + 1
  for (let value = 0; value < BLOCKS_WITH_LOGS; value++) {
    await note(value)
    await chain.mine()
  }
  ;({ access, connection } = await accessTo(chain.url))
})
afterAll(async () => {
  await connection.close()
  await chain.stop()
})

describe('an EVM chain as task code sees it', () => {
  it("has viem's client over the connection of the process, which counts its requests", async () => {
    const own = await accessTo(chain.wsUrl)
    onTestFinished(() => own.connection.close())
    const head = await chain.head()
    expect(await own.access.client.getBlockNumber()).toBe(BigInt(head.number))
    expect(await own.access.client.getBlock({ blockNumber: BigInt(first) })).toMatchObject({ number: BigInt(first) })
    expect(await own.metrics.metrics()).toMatch(/request_seconds_count\{.*method="eth_getBlockByNumber".*\} [1-9]/)
    await chain.mine()
    expect(await own.access.client.getBlockNumber()).toBe(BigInt(head.number + 1))
  })

  it('reads a block with its transactions, by number and by hash', async () => {
    const block = await access.block(first)
    expect(block).toMatchObject({ number: BigInt(first), transactions: [{ to: address, blockHash: block.hash }] })
    expect(block.timestamp).toBeTypeOf('bigint')
    expect(await access.block({ number: first, hash: block.hash })).toEqual(block)
  })

  it('says that a block does not exist yet or is not known, and reads it once it is there', async () => {
    const next = (await chain.head()).number + 1
    await expect(access.block(next)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_RPC_FAILED' })
    await expect(access.block(next)).rejects.toThrow(`has no block ${next}, or not yet`)
    await expect(access.logs(next)).rejects.toThrow(`has no block ${next}, or not yet`)
    await expect(access.logs({ from: first, to: next })).rejects.toThrow(`has no block ${next}, or not yet`)
    const hash = `0x${'ab'.repeat(32)}`
    await expect(access.block({ number: 1, hash })).rejects.toThrow(`does not know block ${hash}`)
    await chain.mine()
    expect((await access.block(next)).number).toBe(BigInt(next))
  })

  it('reads state at the block that was asked for, by number and by hash', async () => {
    const [from] = (await chain.request('eth_accounts')) as [`0x${string}`]
    const sent = async (block: Parameters<EvmAccess['at']>[0]) =>
      (await access.at(block)).getTransactionCount({ address: from })
    expect([
      await sent(first),
      await sent(first + 5),
      await sent({ number: first + 5, hash: (await access.block(first + 5)).hash }),
    ]).toEqual([2, 7, 7])
    expect(await (await access.at(first - 2)).getCode({ address })).toBeUndefined()
    expect(await (await access.at(first)).getCode({ address })).toMatch(/^0x36/)
    expect((await (await access.at(first + 3)).getBlock()).number).toBe(BigInt(first + 3))
    await chain.mine()
    const { hash } = await access.block(first)
    expect(await (await access.at(first)).getBlockTransactionCount()).toBe(1)
    expect(await (await access.at({ number: first, hash })).getBlockTransactionCount()).toBe(1)
    // What names a block itself means that block.
    expect((await (await access.at(first + 3)).getBlock({ blockNumber: 1n })).number).toBe(1n)
  })

  it('reads a block that was reorganised away as it was, by its hash', async () => {
    const [from] = (await chain.request('eth_accounts')) as [`0x${string}`]
    await chain.sendTransaction({ to: from })
    const replaced = await chain.mine()
    const before = await (await access.at(replaced)).getTransactionCount({ address: from })
    await chain.reorg(1)
    expect((await access.block(replaced.number)).hash).not.toBe(replaced.hash)
    await expect(access.logs(replaced)).rejects.toBeInstanceOf(Error)
    expect(await (await access.at(replaced.number)).getTransactionCount({ address: from })).toBe(before - 1)
  })

  it('tells why a call was reverted, as viem does', async () => {
    const reverting = (await chain.deploy(revertingWith('no'))) as `0x${string}`
    const abi = parseAbi(['function anything() view returns (uint256)'])
    await expect(access.client.readContract({ address: reverting, abi, functionName: 'anything' })).rejects.toThrow(
      /reverted with the following reason:\s+no/,
    )
  })

  it('throws our own error when there is no answer', async () => {
    const own = await accessTo(chain.url)
    await own.connection.close()
    await expect(own.access.client.getBlockNumber()).rejects.toMatchObject({
      kind: 'retryable',
      code: 'CHAIN_UNREACHABLE',
    })
    await expect(own.access.block(1)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
  })
})

describe('logs of an EVM chain', () => {
  const range = () => ({ from: first, to: first + BLOCKS_WITH_LOGS - 1 })
  const all = Array.from({ length: BLOCKS_WITH_LOGS }, (_, value) => BigInt(value))

  it('are those of exactly the block that was asked for, decoded', async () => {
    const [log, ...others] = await access.logs(first + 4, { address, event: noted })
    expect(others).toEqual([])
    expect(log?.args.value).toBe(4n)
    expect(log?.blockNumber).toBe(BigInt(first + 4))
  })

  it('are asked for by hash, so that a node which does not have the block cannot say that there are none', async () => {
    const send = vi.spyOn(connection, 'send')
    onTestFinished(() => send.mockRestore())
    const { hash } = await access.block(first)
    await access.logs(first)
    expect(send.mock.calls.at(-1)).toEqual(['eth_getLogs', [expect.objectContaining({ blockHash: hash })]])
    await expect(access.logs({ number: 1, hash: `0x${'ab'.repeat(32)}` })).rejects.toBeInstanceOf(Error)
  })

  it('come from a range in the order of the chain', async () => {
    const logs = await access.logs(range(), { address, event: noted, strict: true })
    expect(logs.map(({ args }) => args.value)).toEqual(all)
    expect(await access.logs(range(), { address: `0x${'12'.repeat(20)}` })).toEqual([])
  })

  /** Reads the range where ranges above a limit are refused, and tells which were asked for. */
  async function readerLimitedTo(limit: () => number, { code, message }: { code: number; message: string }) {
    const asked: number[] = []
    const send: ChainConnection['send'] = async (method, params = []) => {
      if (method === 'eth_getLogs') {
        const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string }
        const blocks = Number(toBlock) - Number(fromBlock) + 1
        asked.push(blocks)
        if (blocks > limit()) throw answeredWithError('node', method, new RpcAnswerError(code, message))
      }
      return connection.send(method, params)
    }
    const limited = await createChainAccess({ id: 'evm', kind: 'evm', connection: { ...connection, send } })
    return async () => {
      asked.length = 0
      const logs = await (limited as EvmAccess).logs(range(), { address, event: noted, strict: true })
      return { values: logs.map(({ args }) => args.value), asked: [...asked] }
    }
  }

  it('are asked for in pieces as large as the endpoint names in its error, at once and from then on', async () => {
    const read = await readerLimitedTo(() => 5, { code: -32_602, message: 'query exceeds max block range 5' })
    expect(await read()).toEqual({ values: all, asked: [12, 5, 5, 2] })
    expect(await read()).toEqual({ values: all, asked: [5, 5, 2] })
  })

  it('are asked for in halves while the endpoint only says that it is too much, and grow again', async () => {
    let limit = 3
    const error = { code: -32_005, message: 'query returned more than 10000 results' }
    const read = await readerLimitedTo(() => limit, error)
    const before = await read()
    expect(before.values).toEqual(all)
    expect(before.asked.slice(0, 3)).toEqual([12, 6, 3])
    limit = 1_000
    const after = await read()
    expect(after.values).toEqual(all)
    expect(Math.max(...after.asked)).toBeGreaterThan(3)
  })

  it('are not taken for complete when the endpoint is replaced meanwhile by one that does not have the range yet', async () => {
    let pieces = 0
    const lagging = (): boolean => pieces >= 2
    const send: ChainConnection['send'] = async (method, params = []) => {
      if (method === 'eth_blockNumber' && lagging()) return toHex(first)
      if (method !== 'eth_getLogs') return connection.send(method, params)
      const hasNone = lagging()
      pieces += 1
      const { fromBlock, toBlock } = params[0] as { fromBlock: string; toBlock: string }
      if (Number(toBlock) - Number(fromBlock) >= 3)
        throw answeredWithError('node', method, new RpcAnswerError(-32_602, 'query exceeds max block range 3'))
      return hasNone ? [] : connection.send(method, params)
    }
    const replaced = (await createChainAccess({
      id: 'evm',
      kind: 'evm',
      connection: { ...connection, send },
    })) as EvmAccess
    await expect(replaced.logs(range())).rejects.toThrow(`has no block ${range().to}, or not yet`)
    expect(pieces).toBe(3)
  })

  it('are not looked for in a range that ends before it begins', async () => {
    await expect(access.logs({ from: 7, to: 6 })).rejects.toThrow(/7.*6/)
  })

  it('fail when even one block is refused', async () => {
    const read = await readerLimitedTo(() => 0, { code: -32_000, message: 'internal trouble' })
    await expect(read()).rejects.toThrow('internal trouble')
  })

  it('fail at once, with pieces as large as before, when the endpoint is only asked too often', async () => {
    let limit = 0
    const read = await readerLimitedTo(() => limit, { code: 429, message: 'Too Many Requests' })
    await expect(read()).rejects.toThrow('Too Many Requests')
    limit = 1_000
    expect((await read()).asked).toEqual([12])
  })
})

describe('createChain', () => {
  it.each(['substrate', 'evm'] as const)('refuses endpoints that a chain of the kind %s cannot have', async (kind) => {
    const endpoints = [kind === 'evm' ? 'wss://rpc.polkadot.io' : 'http://127.0.0.1:1']
    const refusal = { kind: 'configuration', code: 'CONFIG_INVALID' }
    const options = { id: 'x', kind, logger: createSilentLogger() }
    await expect(createChain({ ...options, endpoints })).rejects.toMatchObject(refusal)
    await expect(
      createChain({ ...options, endpoints: ['ws://127.0.0.1:1'], archiveEndpoints: endpoints }),
    ).rejects.toMatchObject(refusal)
    expect(() => connectChain({ ...options, endpoints })).toThrow(expect.objectContaining(refusal))
  })

  it('gives source and access that share one connection', async () => {
    const { source, access: given } = await createChain({
      id: 'evm',
      kind: 'evm',
      endpoints: [chain.url],
      logger: createSilentLogger(),
    })
    onTestFinished(() => source.close())
    await source.start()
    expect(given).toMatchObject({ id: 'evm', kind: 'evm' })
    expect((await given.block(1)).hash).toBe((await source.block(1))?.hash)
    await source.close()
    await expect(given.block(1)).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
  })
})

/** Code of a contract that reverts every call with `Error(string)`. */
function revertingWith(reason: string): string {
  const data = `08c379a0${'20'.padStart(64, '0')}${reason.length.toString(16).padStart(64, '0')}${Buffer.from(reason).toString('hex').padEnd(64, '0')}`
  const size = (data.length / 2).toString(16)
  // Copies the data that follows the code, and reverts with it.
  const runtime = `60${size}600c60003960${size}6000fd${data}`
  const length = (runtime.length / 2).toString(16)
  return `0x60${length}600c60003960${length}6000f3${runtime}`
}

import { type Coordinator, createChain, createSilentLogger, Postpone, splitRange } from '@blockmill/core'
import {
  type ContractTransaction,
  defineContractTransactions,
  fetchContractTransactions,
  getAllTransactions,
  ProviderError,
  type ProviderName,
  type ProviderSettings,
} from '@blockmill/example'
import * as fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import {
  type Anvil,
  chainTransactions,
  type ContractLoad,
  type EtherscanFacade,
  type EtherscanFault,
  loadContract,
  readTrueTransactions,
  runRangeTask,
  startAnvil,
  startEtherscanFacade,
  startEvmProxy,
} from '../src/index.ts'

const ROW_CAP = 200
const KEY = 'KEY+0123456789'

let chain: Anvil
let chainId: number
let load: ContractLoad
let facade: EtherscanFacade
let truth: readonly ContractTransaction[]
let settings: ProviderSettings

beforeAll(async () => {
  chain = await startAnvil()
  chainId = Number(await chain.request('eth_chainId'))
  load = await loadContract(chain, { transactions: 900, perBlock: 20, crowdedBlock: 450 })
  facade = await startEtherscanFacade({
    transactions: chainTransactions(chain.url, chainId),
    rowCap: ROW_CAP,
    apiKeys: [KEY],
  })
  settings = {
    etherscanUrl: facade.url,
    etherscanKey: KEY,
    etherscanTimeoutMs: 30_000,
    rpcUrls: new Map([[chainId, [chain.url]]]),
  }
  truth = await readTrueTransactions(chain.url, load.address, load.to)
})
afterAll(async () => {
  await facade.stop()
  await chain.stop()
})
afterEach(() => {
  facade.disconnect(false)
  const noLimits = { callsPerSecond: Infinity, callsPerDay: Infinity, resultWindow: 10_000, blocksBehind: 0 }
  Object.assign(facade.limits, { rowCap: ROW_CAP, ...noLimits })
})

const request = (provider: ProviderName, from = 0, to = load.to) => ({
  address: load.address,
  chainId,
  provider,
  from,
  to,
})
const readAll = async (provider: ProviderName, others: Partial<Parameters<typeof getAllTransactions>[0]> = {}) => {
  const rows: ContractTransaction[] = []
  for await (const row of getAllTransactions({ ...request(provider), settings, ...others })) rows.push(row)
  return rows
}

/** The shipped task, with settings of this test. */
const taskWith = (changed: Partial<ProviderSettings> = {}) =>
  defineContractTransactions({
    rateLimit: { limit: 100, per: '1s', scope: 'global' },
    loadSettings: async () => ({ ...settings, ...changed }),
  })

/** Runs a batch, and its pieces where it is too large. */
async function runBatch(
  task: ReturnType<typeof taskWith>,
  provider: ProviderName,
  from: number,
  to: number,
): Promise<readonly unknown[]> {
  const args = { address: load.address, chainId, provider }
  try {
    return (await runRangeTask(task, { range: { from, to }, args })).rows
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RangeTooLarge') throw error
    const { safeSize = Math.ceil((to - from + 1) / 2) } = error as { safeSize?: number }
    const pieces: (readonly unknown[])[] = []
    for (const piece of splitRange(from, to, safeSize))
      pieces.push(await runBatch(task, provider, piece.from, piece.to))
    return pieces.flat()
  }
}

describe('both providers', () => {
  it('give exactly the transactions that the chain has, a block over the cap included', async () => {
    expect(truth).toHaveLength(901)
    expect(truth.filter(({ blockNumber }) => blockNumber === load.crowded)).toHaveLength(450)
    expect(new Set(truth.map(({ status }) => status))).toEqual(new Set(['success', 'failed']))
    expect(truth[0]).toMatchObject({ to: null, contractAddress: load.address })
    const [etherscan, rpc] = await Promise.all([readAll('etherscan'), readAll('rpc')])
    expect(etherscan).toEqual(truth)
    expect(rpc).toEqual(truth)
    expect(JSON.stringify(etherscan)).toBe(JSON.stringify(rpc))
  })

  it('give the same rows of accounts, which send to themselves, create contracts and fail to', async () => {
    const accounts = (await chain.request('eth_accounts')) as readonly string[]
    const found: ContractTransaction[] = []
    for (const address of [accounts[5], accounts[7]].map((account) => String(account))) {
      const all = await readTrueTransactions(chain.url, address.toLowerCase(), load.crowded)
      const expected = all.filter(({ blockNumber }) => blockNumber === load.crowded)
      const range = { from: load.crowded, to: load.crowded }
      expect(await readAll('etherscan', { address, ...range })).toEqual(expected)
      expect(await readAll('rpc', { address, ...range })).toEqual(expected)
      found.push(...expected)
    }
    const creations = found.filter((row) => row.to === null)
    expect(found.some((row) => row.from === row.to)).toBe(true)
    expect(creations.some(({ status, contractAddress }) => status === 'success' && contractAddress !== null)).toBe(true)
    expect(creations.some(({ status, contractAddress }) => status === 'failed' && contractAddress === null)).toBe(true)
  })

  it('give the same rows in batches of any size, with any cap', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: load.to }),
        fc.integer({ min: 60, max: 1_000 }),
        async (size, rowCap) => {
          facade.limits.rowCap = rowCap
          const task = taskWith()
          const rows: unknown[] = []
          for (const { from, to } of splitRange(0, load.to, size))
            rows.push(...(await runBatch(task, 'etherscan', from, to)))
          expect(rows).toEqual(truth)
        },
      ),
      { numRuns: 6 },
    )
    const rows: unknown[] = []
    for (const { from, to } of splitRange(0, load.to, 11)) rows.push(...(await runBatch(taskWith(), 'rpc', from, to)))
    expect(rows).toEqual(truth)
  })

  it('go on from a checkpoint where an earlier attempt stopped', async () => {
    const args = { address: load.address, chainId, provider: 'rpc' as const }
    const cursor = load.crowded
    const { rows } = await runRangeTask(taskWith(), { range: { from: 0, to: load.to }, args, cursor })
    expect(rows).toEqual(truth.filter(({ blockNumber }) => blockNumber >= cursor))
  })

  it.each(['etherscan', 'rpc'] as const)('refuse a range that %s does not have yet', async (provider) => {
    await expect(readAll(provider, { to: load.to + 1 })).rejects.toMatchObject({ type: 'missing_blocks' })
    const running = runRangeTask(taskWith(), {
      range: { from: load.to, to: load.to + 7 },
      args: { address: load.address, chainId, provider },
    })
    await expect(running).rejects.toThrow(`has no block ${load.to + 7} yet: its newest one is ${load.to}`)
    await expect(running).rejects.toBeInstanceOf(Postpone)
  })
})

describe('the provider etherscan', () => {
  it('waits for blocks that the lists of the API do not have yet, although its node has them', async () => {
    facade.limits.blocksBehind = 3
    const rows = await readAll('etherscan', { to: load.to - 3 })
    expect(rows).toEqual(truth.filter(({ blockNumber }) => blockNumber <= load.to - 3))
    await expect(readAll('etherscan', { to: load.to - 2 })).rejects.toMatchObject({ type: 'missing_blocks' })
  })

  it('learns from a refusal how many rows it may ask for', async () => {
    facade.limits.resultWindow = 3 * ROW_CAP
    const before = facade.requests.length
    expect(await readAll('etherscan')).toEqual(truth)
    const asked = facade.requests.slice(before).filter(({ action }) => action === 'txlist')
    expect(asked.filter(({ offset }) => offset === 10_000)).toHaveLength(1)
  })

  const run = (changed: Partial<ProviderSettings> = {}, attempt = 1) =>
    runRangeTask(taskWith(changed), {
      range: { from: 0, to: 3 },
      args: { address: load.address, chainId },
      attempt,
    })
  const failure = async (...given: Parameters<typeof run>): Promise<Error & { readonly delayMs?: number }> => {
    try {
      await run(...given)
    } catch (error) {
      if (error instanceof Error) return error
    }
    throw new Error('The batch did not fail.')
  }

  it('makes a batch wait when there is no key, or one that is refused, and says what to set', async () => {
    const { etherscanKey: _none, ...withoutKey } = settings
    const task = defineContractTransactions({
      rateLimit: { limit: 100, per: '1s', scope: 'global' },
      loadSettings: async () => withoutKey,
    })
    const args = { address: load.address, chainId }
    await expect(runRangeTask(task, { range: { from: 0, to: 3 }, args })).rejects.toThrow('set ETHERSCAN_API_KEY')
    const refused = await failure({ etherscanKey: 'expired-key-99' })
    expect(refused).toMatchObject({ name: 'Postpone', delayMs: 300_000 })
    expect(refused.message).toContain("The API answered 'NOTOK: Invalid API Key'. Set ETHERSCAN_API_KEY")
  })

  it('cancels a batch of a chain that the API does not have', async () => {
    const args = { address: load.address, chainId: 999_999 }
    const running = runRangeTask(taskWith(), { range: { from: 0, to: 3 }, args })
    await expect(running).rejects.toMatchObject({ name: 'Cancel' })
    await expect(running).rejects.toThrow('unsupported chainid')
  })

  it.each([
    [{ type: 'notok', result: 'Max calls per sec rate limit reached (3/sec)' }, 'Postpone', 2_000],
    [{ type: 'status', status: 429, retryAfter: '7' }, 'Postpone', 7_000],
    [{ type: 'status', status: 503, retryAfter: '90', times: 4 }, 'Postpone', 90_000],
    [{ type: 'html', times: 4 }, 'Postpone', 30_000],
    [{ type: 'cut' }, 'Postpone', 30_000],
    [{ type: 'html', status: 403, times: 4 }, 'Postpone', 300_000],
    [{ type: 'notok', result: 'You are using a deprecated V1 endpoint', times: 4 }, 'Postpone', 300_000],
    [{ type: 'status', status: 401 }, 'Postpone', 300_000],
    [{ type: 'status', status: 502 }, 'ProviderError', undefined],
    [{ type: 'html', status: 404, matches: ({ action }) => action === 'txlist' }, 'ProviderError', undefined],
    [
      { type: 'notok', result: 'Query Timeout occured. Please select a smaller result dataset' },
      'RangeTooLarge',
      undefined,
    ],
  ] satisfies readonly [EtherscanFault, string, number | undefined][])(
    'on %o throws a %s',
    async (fault, name, delayMs) => {
      facade.fail(fault)
      const thrown = await failure()
      expect(thrown.name).toBe(name)
      expect(thrown.delayMs).toBe(delayMs)
    },
  )

  it('splits a batch that fails by a time-out again, while the API answers other questions', async () => {
    const slow: EtherscanFault = { type: 'stall', times: 2, matches: ({ action }) => action === 'txlist' }
    facade.fail(slow)
    // Long enough for the answers that do come, on a busy machine too.
    const etherscanTimeoutMs = 5_000
    const [first, second] = await Promise.all([failure({ etherscanTimeoutMs }), failure({ etherscanTimeoutMs }, 2)])
    expect(first).toMatchObject({ name: 'ProviderError', type: 'timed_out' })
    expect(second).toMatchObject({ name: 'RangeTooLarge' })
  })

  it('makes a batch wait while the API is down, or the calls of the day are used up', async () => {
    facade.disconnect(true)
    expect(await failure()).toMatchObject({ name: 'Postpone', delayMs: 30_000 })
    facade.disconnect(false)
    facade.limits.callsPerDay = 0
    const limited = await failure()
    expect(limited).toMatchObject({ name: 'Postpone' })
    expect(limited.message).toContain('works again after midnight UTC')
    expect(limited.delayMs).toBeLessThanOrEqual(3_600_000)
  })

  it('stops at once when its signal aborts', async () => {
    facade.fail({ type: 'stall', matches: ({ action }) => action === 'txlist' })
    const reason = new Error('the worker stops')
    const abort = new AbortController()
    const running = runRangeTask(taskWith(), {
      range: { from: 0, to: 3 },
      args: { address: load.address, chainId },
      signal: abort.signal,
    })
    const before = facade.requests.length
    const stalled = () => facade.requests.slice(before).filter(({ action }) => action === 'txlist')
    await expect.poll(stalled).toHaveLength(1)
    abort.abort(reason)
    await expect(running).rejects.toBe(reason)
  })

  it('takes a permit for every request but the first, which the start of the batch has taken', async () => {
    let permits = 0
    const before = facade.requests.length
    const { result } = await runRangeTask(taskWith(), {
      range: { from: load.crowded, to: load.crowded },
      args: { address: load.address, chainId },
      throttle: async () => void (permits += 1),
    })
    const requests = facade.requests.length - before
    expect(requests).toBeGreaterThan(3)
    expect(result).toEqual({ requests })
    expect(permits).toBe(requests - 1)
  })

  it('reads on after a limit on the rate when nobody else is there to wait', async () => {
    facade.limits.callsPerSecond = 3
    expect(await readAll('etherscan', { to: 3 })).toEqual(truth.filter(({ blockNumber }) => blockNumber <= 3))
  })

  it('names its key in no error, whatever the API repeats', async () => {
    const texts: string[] = []
    for (const result of [
      `Invalid API Key ${KEY}`,
      `key ${encodeURIComponent(KEY)} in https://api.example/?apikey=${KEY}`,
      // Errors are cut short.
      `${'text '.repeat(97)}${KEY} and more`,
    ]) {
      facade.fail({ type: 'notok', result, matches: ({ action }) => action === 'txlist' })
      const { message, stack = '' } = await failure()
      texts.push(message, stack)
    }
    facade.fail({ type: 'cut' })
    const { message, stack = '' } = await failure()
    texts.push(message, stack)
    for (const text of texts) {
      expect(text).not.toContain(KEY)
      expect(text).not.toContain(encodeURIComponent(KEY))
      expect(text).not.toContain(KEY.slice(0, 6))
    }
  })
})

describe('the provider rpc', () => {
  const startProxy = async () => {
    const proxy = await startEvmProxy({ target: chain.url })
    onTestFinished(() => proxy.stop())
    return { proxy, rpcUrls: new Map([[chainId, [proxy.url]]]) }
  }
  const args = () => ({ address: load.address, chainId, provider: 'rpc' as const })

  it('gets along with a node that allows no batches, pauses its clients and fails now and then', async () => {
    const { proxy, rpcUrls } = await startProxy()
    proxy.limitBatches(1)
    proxy.refuseRequests({ times: 2, retryAfter: '0.2' })
    proxy.fail({ method: 'eth_getBlockByNumber', block: 4, error: { code: -32_000, message: 'response too large' } })
    const to = load.from + 5
    const { rows } = await runRangeTask(taskWith({ rpcUrls }), { range: { from: 0, to }, args: args() })
    expect(rows).toEqual(truth.filter(({ blockNumber }) => blockNumber <= to))
  })

  it('asks for the receipts of whole blocks, and gives the same rows from a node that has none', async () => {
    const range = { from: 0, to: load.from + 8 }
    const expected = truth.filter(({ blockNumber }) => blockNumber <= range.to)
    const requestsTo = async (hasBlockReceipts: boolean): Promise<number> => {
      const { proxy, rpcUrls } = await startProxy()
      const error = { code: -32_601, message: 'the method eth_getBlockReceipts does not exist/is not available' }
      if (!hasBlockReceipts) proxy.fail({ method: 'eth_getBlockReceipts', times: 1_000, error })
      expect((await runRangeTask(taskWith({ rpcUrls }), { range, args: args() })).rows).toEqual(expected)
      return proxy.bodies.reduce((sum, requests) => sum + requests, 0)
    }
    const blocks = range.to + 1
    expect(await requestsTo(true)).toBeLessThan(3 * blocks)
    expect(await requestsTo(false)).toBeGreaterThan(blocks + expected.length)
  })

  it('keeps what it read before a block that the node cannot give', async () => {
    const { proxy, rpcUrls } = await startProxy()
    proxy.fail({ method: 'eth_getBlockByNumber', block: 9, times: 1_000 })
    const emitted: unknown[] = []
    const cursors: unknown[] = []
    const running = runRangeTask(taskWith({ rpcUrls }), {
      range: { from: 0, to: 20 },
      args: args(),
      emit: async (rows) => void emitted.push(...rows),
      checkpoint: async (cursor) => void cursors.push(cursor),
    })
    await expect(running).rejects.toMatchObject({ name: 'ProviderError', type: 'refused' })
    expect(cursors.at(-1)).toBe(9)
    expect(emitted).toEqual(truth.filter(({ blockNumber }) => blockNumber < 9))
  })

  it('makes a batch wait when no node of the chain is known, or it serves another, and says what to set', async () => {
    const range = { from: 0, to: 3 }
    const other = { ...args(), chainId: 8453 }
    const served = new Map([[8453, [chain.url]]])
    await expect(runRangeTask(taskWith({ rpcUrls: served }), { range, args: other })).rejects.toThrow(
      `serves ${chainId}. Set EVM_RPC_URLS to 8453=https://…`,
    )
    await expect(runRangeTask(taskWith({ rpcUrls: served }), { range, args: other })).rejects.toBeInstanceOf(Postpone)
  })

  it("reads from the worker's own chain where no other node is named", async () => {
    const own = await createChain({
      id: 'anvil',
      kind: 'evm',
      endpoints: [chain.wsUrl],
      logger: createSilentLogger(),
    })
    onTestFinished(() => own.source.close())
    await own.source.start()
    const range = { from: 0, to: 12 }
    const { rows } = await runRangeTask(taskWith({ rpcUrls: new Map() }), { range, args: args(), chain: own.access })
    expect(rows).toEqual(truth.filter(({ blockNumber }) => blockNumber <= range.to))
    const other = { ...args(), chainId: 1 }
    await expect(
      runRangeTask(taskWith({ rpcUrls: new Map() }), { range, args: other, chain: own.access }),
    ).rejects.toThrow(`the worker itself is connected to ${chainId}`)
  })
})

describe('fetchContractTransactions', () => {
  const started: unknown[] = []
  const coordinator: Pick<Coordinator, 'run'> = {
    run: async (task, options) => {
      started.push([task.name, options])
      return { id: 'job' } as Awaited<ReturnType<Coordinator['run']>>
    },
  }
  const start = (others: Partial<Parameters<typeof fetchContractTransactions>[0]> = {}) =>
    fetchContractTransactions({ ...request('etherscan'), coordinator: coordinator as Coordinator, settings, ...others })

  it('starts a job of the task that every worker has', async () => {
    started.length = 0
    expect(await start({ batchSize: 10 })).toMatchObject({ id: 'job' })
    const args = { address: load.address, chainId, provider: 'etherscan' }
    expect(started).toEqual([['contract-transactions', { from: 0, to: load.to, batchSize: 10, args }]])
  })

  it('refuses at once what can never work, and starts nothing', async () => {
    started.length = 0
    await expect(start({ from: 5, to: 4 })).rejects.toThrow('above the last')
    await expect(start({ batchSize: 0 })).rejects.toThrow('batchSize is 0')
    await expect(start({ address: '0x12' })).rejects.toThrow("'0x12' is not an address")
    await expect(start({ chainId: 4_242_424 })).rejects.toMatchObject({ type: 'chain_unsupported' })
    await expect(start({ settings: { ...settings, etherscanKey: 'expired' } })).rejects.toThrow('Invalid API Key')
    await expect(start({ to: load.to + 1 })).rejects.toBeInstanceOf(ProviderError)
    facade.disconnect(true)
    await expect(start()).rejects.toMatchObject({ type: 'unreachable' })
    expect(started).toEqual([])
  })
})

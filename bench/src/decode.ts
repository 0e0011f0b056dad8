import {
  type ChainConnection,
  createChainConnection,
  createSilentLogger,
  createSubstrateAccess,
  substrateProtocol,
} from '@blockmill/core'
import { startDevChain } from '@blockmill/testkit'

import type { Result } from './report.ts'

const BLOCKS = 10
const ROUNDS = 300
/** Blocks before the compiler and all caches are warm. */
const WARM_UP = 1_000
/** Milliseconds of CPU for one block and its events. */
const BAR_MS = 0.5

/** CPU time for a decoded block and its events, with the runtime in the cache and without the node's share of it. */
export async function benchDecode(): Promise<Result[]> {
  const { connection, blocks } = await recordBlocks()
  const access = createSubstrateAccess({ id: 'bench', connection })
  const timesMs: number[] = []
  for (let block = 0; block < WARM_UP + ROUNDS * BLOCKS; block += 1) {
    const ref = blocks[block % blocks.length] ?? 0
    const before = process.cpuUsage()
    const { extrinsics } = await access.block(ref)
    const events = await access.events(ref)
    const { user, system } = process.cpuUsage(before)
    if (extrinsics.length === 0 || events.length === 0) throw new Error('The block is empty: nothing was measured.')
    if (block >= WARM_UP) timesMs.push((user + system) / 1_000)
  }
  timesMs.sort((a, b) => a - b)
  return [
    {
      benchmark: 'decode',
      what: `a block and its events, median of ${timesMs.length.toLocaleString('en')}`,
      value: timesMs[Math.floor(timesMs.length / 2)] ?? Number.NaN,
      unit: 'ms of CPU',
      bar: BAR_MS,
      barIs: 'atMost',
    },
  ]
}

/** Blocks of a development chain, and a connection that has all answers about them without a node. */
async function recordBlocks(): Promise<{
  connection: ChainConnection
  blocks: readonly { readonly number: number; readonly hash: string }[]
}> {
  const chain = await startDevChain()
  const live = createChainConnection({
    protocol: substrateProtocol,
    endpoints: [chain.url],
    logger: createSilentLogger(),
  })
  const answers = new Map<string, unknown>()
  const send = async (method: string, params: readonly unknown[] = []): Promise<unknown> => {
    const key = JSON.stringify([method, params])
    if (!answers.has(key)) answers.set(key, await live.send(method, params))
    return answers.get(key)
  }
  const connection = { ...live, send }
  try {
    await live.start()
    const blocks = []
    for (let built = 0; built < BLOCKS; built += 1) blocks.push(await chain.produceBlock())
    const access = createSubstrateAccess({ id: 'bench', connection })
    for (const block of blocks) await Promise.all([access.block(block), access.events(block)])
    return { connection, blocks }
  } finally {
    await live.close()
    await chain.stop()
  }
}

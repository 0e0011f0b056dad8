import type * as Core from '@acala-network/chopsticks-core'
import { hexToU8a, u8aToHex } from '@polkadot/util'

import { type BlockFile, openBlockFile, type RecordedBlock } from './block-file.ts'
import { upgradedRuntime } from './upgraded-runtime.ts'
import { createVersionedStorage } from './versioned-storage.ts'

type Chopsticks = typeof Core
type Hex = `0x${string}`

/** A block of the development chain. */
export interface DevBlock {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
}

/** A Substrate runtime executed in WebAssembly, and the blocks that were built with it. Knows nothing of sockets. */
export interface DevChainNode {
  readonly genesisHash: string
  /** Number of the newest block. */
  readonly tip: number
  /** The canonical block of this number, `undefined` above the tip. */
  blockAt(number: number): DevBlock | undefined
  /** The block of this hash. */
  blockOf(hash: string): DevBlock | undefined
  /**
   * Builds one block on the tip with the extrinsics that wait in the pool. With `upgrade`, the block sets the runtime of the
   * blocks after it, a later version of its own. Not to be called again before it settles.
   */
  build(options?: { readonly upgrade: boolean }): Promise<DevBlock>
  /** Runs one of Chopsticks' own RPC handlers. */
  handle(method: string, params: readonly unknown[], subscriptions: Core.SubscriptionManager): Promise<unknown>
  close(): Promise<void>
}

/** So many of the newest blocks can be read in full, as on a node that prunes: half a day of them, at one each 6 seconds. */
const BLOCKS_KEPT = 7_200

// Chopsticks has one WebAssembly worker per process, which keeps the process alive: the last node to close ends it.
let nodesOpen = 0

/**
 * A fresh chain from the raw genesis of Rococo's Asset Hub, whose state and runtime come with the package: no network, no
 * native build. Its genesis hash is the same for every instance, because Chopsticks gives each genesis a fixed one. Block
 * times begin at the present and advance by the runtime's slot, 12 s, whatever the pace of building.
 *
 * @param file where its blocks are kept: a chain that finds some there goes on behind them. Without, they end with the process.
 */
export async function createDevChainNode({ file }: { readonly file?: string | undefined } = {}): Promise<DevChainNode> {
  const chopsticks = await importChopsticks()
  const { chainSpec } = await import('@substrate/connect-known-chains/rococo_v2_2_asset_hub')
  nodesOpen += 1
  try {
    return await startNode(chopsticks, chainSpec, file)
  } catch (error) {
    await closeWorker(chopsticks)
    throw error
  }
}

async function startNode(chopsticks: Chopsticks, chainSpec: string, path: string | undefined): Promise<DevChainNode> {
  const provider = new chopsticks.GenesisProvider(JSON.parse(chainSpec))
  const chain = await chopsticks.setup({
    genesis: provider,
    buildBlockMode: chopsticks.BuildBlockMode.Manual,
    // Signatures from test accounts are made up (0xdeadbeef…), so that no keys are needed.
    mockSignatureHost: true,
    // Its default forgets blocks after 500 and then answers for them with the genesis block.
    maxMemoryBlockCount: Number.POSITIVE_INFINITY,
  })
  const handlers: Readonly<Record<string, Core.Handler>> = chopsticks.substrate
  const canonical: (DevBlock | undefined)[] = []
  const byHash = new Map<string, DevBlock>()

  const list = ({ number, hash, parentHash }: DevBlock): DevBlock => {
    const block = { number, hash, parentHash }
    canonical[number] = block
    byHash.set(hash, block)
    return block
  }

  const genesis = await chain.getBlockAt(0)
  if (genesis === undefined) throw new Error('Chopsticks did not provide a genesis block.')
  list({ number: 0, hash: genesis.hash, parentHash: (await genesis.header).parentHash.toHex() })
  const storage = createVersionedStorage(genesis.storage, chopsticks.StorageValueKind.Deleted)

  /** Makes a block the head, with a state that is read from `storage` instead of from the block before. */
  const place = async (recorded: RecordedBlock): Promise<DevBlock> => {
    const { number, hash, changes } = recorded
    storage.add(number, changes)
    const registry = await chain.head.registry
    const block = new chopsticks.Block(chain, number, hash as Hex, chain.head, {
      header: registry.createType('Header', recorded.header),
      extrinsics: recorded.extrinsics as Hex[],
      storage: storage.at(number - 1),
      storageDiff: changes,
    })
    await chain.setHead(block)
    return list(recorded)
  }

  const forget = async (number: number): Promise<void> => {
    const block = canonical[number]
    if (block === undefined || number === 0) return
    const forgotten = await chain.getBlock(block.hash as Hex)
    if (forgotten !== undefined) await chain.unregisterBlock(forgotten)
    // Chopsticks would answer for a block that it does not know with the genesis block.
    canonical[number] = undefined
    byHash.delete(block.hash)
    // Not at every block: it looks at every key.
    if (number % 100 === 0) storage.forgetBefore(number + 1)
  }

  let file: BlockFile | undefined
  if (path !== undefined) {
    const opened = await openBlockFile(path)
    file = opened.file
    for (const block of opened.blocks) await place(block)
    const first = opened.blocks.at(-BLOCKS_KEPT)
    if (first !== undefined && opened.blocks.length >= 2 * BLOCKS_KEPT) {
      const { number } = first
      await file.replace([{ ...first, changes: storage.changesUpTo(number) }, ...opened.blocks.slice(1 - BLOCKS_KEPT)])
    }
  }
  const keep = async (block: Core.Block): Promise<DevBlock> => {
    const recorded = await record(block)
    // Before anybody hears of it: what was told must still be so after a crash.
    await file?.append(recorded)
    const kept = await place(recorded)
    await forget(kept.number - BLOCKS_KEPT)
    return kept
  }
  // `setup` has built block 1 already, which a chain that goes on has no use for.
  if (canonical.length === 1) await keep(chain.head)

  return {
    genesisHash: genesis.hash,
    get tip() {
      return canonical.length - 1
    },
    blockAt: (number) => canonical[number],
    blockOf: (hash) => byHash.get(hash),

    async build({ upgrade } = { upgrade: false }) {
      const before = chain.head.number
      const block = await chain.newBlock()
      // Chopsticks only logs the error when a block cannot be built, and leaves its head as it was.
      if (block.number === before) throw new Error(`Chopsticks could not build block ${before + 1}.`)
      if (upgrade) {
        const code = upgradedRuntime(Buffer.from(hexToU8a(await block.wasm)))
        block.setWasm(u8aToHex(code))
      }
      return keep(block)
    },

    async handle(method, params, subscriptions) {
      const handler = handlers[method]
      if (handler === undefined) throw new Error(`Chopsticks has no handler for ${method}.`)
      return handler({ chain }, params, subscriptions)
    },

    async close() {
      await provider.disconnect()
      await closeWorker(chopsticks)
    },
  }
}

async function record(block: Core.Block): Promise<RecordedBlock> {
  const header = await block.header
  return {
    number: block.number,
    hash: block.hash,
    parentHash: header.parentHash.toHex(),
    header: header.toHex(),
    extrinsics: await block.extrinsics,
    changes: await block.storageDiff(),
  }
}

async function closeWorker(chopsticks: Chopsticks): Promise<void> {
  nodesOpen -= 1
  if (nodesOpen === 0) await chopsticks.destroyWorker()
}

/** Imported on first use: it takes a second, starts a logger and checks `LOG_LEVEL` against its own names. */
async function importChopsticks(): Promise<Chopsticks> {
  const logLevel = process.env['LOG_LEVEL']
  // Every block is logged to standard output at `info`, and nothing but the environment can turn that off.
  process.env['LOG_LEVEL'] = 'fatal'
  try {
    return await import('@acala-network/chopsticks-core')
  } finally {
    if (logLevel === undefined) delete process.env['LOG_LEVEL']
    else process.env['LOG_LEVEL'] = logLevel
  }
}

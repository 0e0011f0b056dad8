import type * as Core from '@acala-network/chopsticks-core'
import { hexToU8a, u8aToHex } from '@polkadot/util'

import { upgradedRuntime } from './upgraded-runtime.ts'

type Chopsticks = typeof Core

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

// Chopsticks has one WebAssembly worker per process, which keeps the process alive: the last node to close ends it.
let nodesOpen = 0

/**
 * A fresh chain from the raw genesis of Rococo's Asset Hub, whose state and runtime come with the package: no network, no
 * native build. Its genesis hash is the same for every instance, because Chopsticks gives each genesis a fixed one. Block
 * times begin at the present and advance by the runtime's slot, 12 s, whatever the pace of building.
 */
export async function createDevChainNode(): Promise<DevChainNode> {
  const chopsticks = await importChopsticks()
  const { chainSpec } = await import('@substrate/connect-known-chains/rococo_v2_2_asset_hub')
  nodesOpen += 1
  try {
    return await startNode(chopsticks, chainSpec)
  } catch (error) {
    await closeWorker(chopsticks)
    throw error
  }
}

async function startNode(chopsticks: Chopsticks, chainSpec: string): Promise<DevChainNode> {
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
  const canonical: DevBlock[] = []
  const byHash = new Map<string, DevBlock>()

  const add = async (block: Core.Block): Promise<DevBlock> => {
    const { parentHash } = await block.header
    const added = { number: block.number, hash: block.hash, parentHash: parentHash.toHex() }
    canonical[block.number] = added
    byHash.set(block.hash, added)
    return added
  }

  const genesis = await chain.getBlockAt(0)
  if (genesis === undefined) throw new Error('Chopsticks did not provide a genesis block.')
  await add(genesis)
  // `setup` has built block 1 already.
  await add(chain.head)

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
      return add(block)
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

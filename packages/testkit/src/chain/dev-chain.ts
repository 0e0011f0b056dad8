import { createSilentLogger, type Logger } from '@blockmill/core'

import { createDevChainNode, type DevBlock, type DevChainNode } from './dev-chain-node.ts'
import { createDevChainMethods } from './dev-chain-rpc.ts'
import { startJsonRpcServer } from './json-rpc-server.ts'
import { createRpcFailures, type RpcFailure } from './rpc-failures.ts'

export interface DevChainOptions {
  /** Milliseconds from one block to the next, or `on-demand`: only `produceBlock` builds. Default `on-demand`. */
  readonly blockTime?: number | 'on-demand'
  /** Address that it listens on. Default the loopback address, `127.0.0.1`. */
  readonly host?: string
  /** Default 0: any free one. */
  readonly port?: number
  /** File that keeps its blocks, so that it goes on behind them after a restart. Default none: it begins anew. */
  readonly file?: string
  /** How many blocks the finalized head is behind the newest. Default 0: final at once. */
  readonly finalityLag?: number
  /** Gets an error when a block cannot be built. Default: silent. */
  readonly logger?: Logger
}

/** Faults that clients of the development chain see until they are taken back. */
export interface DevChainFaults {
  /** Cuts every connection, without a closing handshake. */
  dropConnections(): void
  /** With `true`, new connections are refused. */
  refuseConnections(refused: boolean): void
  /** With `true`, connections stay open but nothing is read, answered or announced. */
  stall(stalled: boolean): void
  /** Answers like a node that is this many blocks behind. 0 ends it. */
  lag(blocks: number): void
  /** Makes the next requests of a method fail. */
  fail(failure: RpcFailure): void
}

/** A running development chain: a real Substrate runtime, its metadata and events, behind a WebSocket. */
export interface DevChain {
  /** `ws://<host>:<port>` */
  readonly url: string
  readonly genesisHash: string
  readonly faults: DevChainFaults
  /** The newest block, as clients see it. */
  readonly head: () => DevBlock
  /** The newest finalized block, as clients see it. */
  readonly finalized: () => DevBlock
  /** Builds blocks and resolves with the last one. Some 130 ms each. Default 1. */
  produceBlock(count?: number): Promise<DevBlock>
  /**
   * Builds a block that upgrades the runtime: blocks after it are executed by the same code with a `specVersion` one higher and
   * another name for one event, `system.ExtrinsicSucceed` for `system.ExtrinsicSuccess`.
   */
  upgradeRuntime(): Promise<DevBlock>
  /** Stops building, cuts every connection and frees the port. Idempotent. */
  stop(): Promise<void>
}

/** Starts a development chain at block 1, or behind the blocks in its file. Takes about two seconds, and one more for the first of a process. */
export async function startDevChain({
  blockTime = 'on-demand',
  host = '127.0.0.1',
  port = 0,
  file,
  finalityLag = 0,
  logger = createSilentLogger(),
}: DevChainOptions = {}): Promise<DevChain> {
  const node = await createDevChainNode({ file })
  const { view, ...control } = createView(node, finalityLag)
  const failures = createRpcFailures(createDevChainMethods(node, view), (hash) => node.blockOf(hash)?.number)
  const server = await startJsonRpcServer({ host, port, methods: failures.methods }).catch(async (error: unknown) => {
    await node.close()
    throw error
  })

  let building: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let stopping: Promise<void> | undefined

  const buildNext = (options?: { readonly upgrade: boolean }): Promise<DevBlock> => {
    const built = building.then(() => {
      if (stopping !== undefined) throw new Error('The development chain has stopped.')
      return node.build(options)
    })
    building = built.then(control.announce, () => undefined)
    return built
  }

  const buildEvery = (interval: number): void => {
    const began = Date.now()
    buildNext()
      .catch((error: unknown) => {
        if (stopping === undefined) logger.error({ err: error }, 'cannot build a block')
      })
      .finally(() => {
        if (stopping === undefined)
          timer = setTimeout(() => buildEvery(interval), Math.max(0, began + interval - Date.now()))
      })
  }

  const stop = async (): Promise<void> => {
    clearTimeout(timer)
    await server.stop()
    await building
    await node.close()
  }

  if (blockTime !== 'on-demand') timer = setTimeout(() => buildEvery(blockTime), blockTime)

  return {
    url: `ws://${host}:${server.port}`,
    genesisHash: node.genesisHash,
    faults: {
      dropConnections: server.dropConnections,
      refuseConnections: server.refuseConnections,
      stall: server.stall,
      lag: control.lag,
      fail: failures.add,
    },
    head: view.head,
    finalized: view.finalized,
    async produceBlock(count = 1) {
      for (let built = 1; built < count; built++) await buildNext()
      return buildNext()
    },
    upgradeRuntime: () => buildNext({ upgrade: true }),
    stop: () => (stopping ??= stop()),
  }
}

/** What clients are told about head and finality, apart from what was built. */
function createView(node: DevChainNode, finalityLag: number) {
  const listeners = new Set<() => void>()
  let lagging = 0

  const blockAt = (number: number): DevBlock => {
    const block = node.blockAt(Math.max(0, number))
    if (block === undefined) throw new RangeError(`The development chain has no block ${number}.`)
    return block
  }

  const announce = (): void => {
    for (const listener of listeners) listener()
  }

  return {
    view: {
      head: () => blockAt(node.tip - lagging),
      finalized: () => blockAt(node.tip - Math.max(lagging, finalityLag)),
      onChange(listener: () => void) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    announce,
    lag: (blocks: number) => {
      lagging = blocks
      announce()
    },
  }
}

import type { DevBlock, DevChainNode } from './dev-chain-node.ts'
import { type JsonRpcConnection, JsonRpcError, type JsonRpcMethod } from './json-rpc-server.ts'

/** What the server says of the chain, which is not always all that the node has. */
export interface DevChainView {
  readonly head: () => DevBlock
  readonly finalized: () => DevBlock
  /** Calls back after every change of head or finalized. Returns what ends it. */
  onChange(listener: () => void): () => void
}

/** Methods of Chopsticks that read at a block, with the place of the block's hash among their parameters. */
const METHODS_AT_BLOCK = {
  payment_queryFeeDetails: 1,
  payment_queryInfo: 1,
  state_call: 2,
  state_getKeysPaged: 3,
  state_getMetadata: 0,
  state_getRuntimeVersion: 0,
  state_getStorage: 1,
  state_getStorageAt: 1,
  state_queryStorageAt: 1,
  system_dryRun: 1,
} as const

/** Methods of Chopsticks that are served as they are. */
const METHODS_AS_THEY_ARE = [
  'author_pendingExtrinsics',
  'author_submitAndWatchExtrinsic',
  'author_submitExtrinsic',
  'author_unwatchExtrinsic',
  'state_subscribeRuntimeVersion',
  'state_subscribeStorage',
  'state_unsubscribeRuntimeVersion',
  'state_unsubscribeStorage',
  'system_accountNextIndex',
  'system_chain',
  'system_chainType',
  'system_health',
  'system_name',
  'system_properties',
  'system_version',
] as const

/** Block hashes and ids are strings; anything else is nothing that the node knows. */
const text = (param: unknown): string => (typeof param === 'string' ? param : '')

const unsubscribe: JsonRpcMethod = ([id], connection) => connection.unsubscribe(text(id))

/**
 * The JSON-RPC methods of a Substrate node, as far as clients of Blockmill need them. Blocks are answered from the view, so
 * that it alone decides what the newest and the finalized block are; state is answered by the runtime.
 */
export function createDevChainMethods(node: DevChainNode, view: DevChainView): Record<string, JsonRpcMethod> {
  const visible = (hash: unknown): DevBlock | undefined => {
    if (hash === undefined || hash === null) return view.head()
    const block = node.blockOf(text(hash))
    return block !== undefined && block.number <= view.head().number ? block : undefined
  }

  const hashOf = (number: unknown): string | null => {
    const wanted = number === undefined || number === null ? view.head().number : Number(number)
    return wanted <= view.head().number ? (node.blockAt(wanted)?.hash ?? null) : null
  }

  const handle = (method: string, params: readonly unknown[], connection: JsonRpcConnection): Promise<unknown> =>
    node.handle(method, params, {
      subscribe: (notification, id, onEnd = () => undefined) => connection.subscribe(notification, onEnd, id).push,
      unsubscribe: (id) => {
        connection.unsubscribe(id)
      },
    })

  const atBlock =
    (method: string, place: number): JsonRpcMethod =>
    (params, connection) => {
      const block = visible(params[place])
      if (block === undefined)
        throw new JsonRpcError(4003, `Client error: UnknownBlock: Header was not found: ${text(params[place])}`)
      const filled = Array.from({ length: place + 1 }, (_, index) => (index === place ? block.hash : params[index]))
      return handle(method, filled, connection)
    }

  /** A real node answers `null` for a header or block that it does not know. */
  const orNull =
    (method: string): JsonRpcMethod =>
    (params, connection) => {
      const block = visible(params[0])
      return block === undefined ? null : handle(method, [block.hash], connection)
    }

  const subscribeHeads =
    (notification: string, current: () => DevBlock): JsonRpcMethod =>
    (_params, connection) => {
      let last: string | undefined
      const announce = async (): Promise<void> => {
        const { hash } = current()
        if (hash === last) return
        last = hash
        subscription.push(await handle('chain_getHeader', [hash], connection))
      }
      // A header that cannot be read is not announced; the client finds the next one.
      const announceOrSkip = (): void => void announce().catch(() => undefined)
      const subscription = connection.subscribe(notification, view.onChange(announceOrSkip))
      // Only after the answer, from which the client learns the id.
      setImmediate(announceOrSkip)
      return subscription.id
    }

  const methods: Record<string, JsonRpcMethod> = {
    chain_getBlock: orNull('chain_getBlock'),
    chain_getBlockHash: ([number]) => (Array.isArray(number) ? number.map(hashOf) : hashOf(number)),
    chain_getFinalizedHead: () => view.finalized().hash,
    chain_getHeader: orNull('chain_getHeader'),
    chain_subscribeFinalizedHeads: subscribeHeads('chain_finalizedHead', view.finalized),
    chain_subscribeNewHeads: subscribeHeads('chain_newHead', view.head),
    chain_unsubscribeFinalizedHeads: unsubscribe,
    chain_unsubscribeNewHeads: unsubscribe,
    rpc_methods: () => ({ methods: Object.keys(methods).sort() }),
  }
  for (const [method, place] of Object.entries(METHODS_AT_BLOCK)) methods[method] = atBlock(method, place)
  for (const method of METHODS_AS_THEY_ARE) methods[method] = (params, connection) => handle(method, params, connection)
  return methods
}

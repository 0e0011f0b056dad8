import { callJsonRpc } from './call-json-rpc.ts'
import { JsonRpcError } from './json-rpc-server.ts'
import { createRpcFailures, type RpcFailure } from './rpc-failures.ts'

/** A request of JSON-RPC 2.0. */
export interface RpcRequest {
  readonly id: unknown
  readonly method: string
  readonly params?: readonly unknown[]
}

/** What clients are told of an EVM node's chain, which is not always all that the node has. */
export interface EvmView {
  /** The answer to a request, failed ones included. Rejects when the node cannot be reached. */
  readonly answer: (request: RpcRequest) => Promise<Record<string, unknown>>
  /** From now on hides the newest blocks. */
  readonly lag: (blocks: number) => void
  /** Makes the next requests of a method fail. */
  readonly fail: (failure: RpcFailure) => void
}

/** A view of the node at this `http://` URL. */
export function createEvmView(target: string): EvmView {
  const failures = createRpcFailures({}, Number)
  let lagging = 0

  const visibleHead = async (): Promise<number> =>
    Math.max(0, Number(await callJsonRpc(target, 'eth_blockNumber', [])) - lagging)

  const hex = (number: number): string => `0x${number.toString(16)}`

  const result = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    failures.failIfDue(method, params)
    if (lagging === 0) return callJsonRpc(target, method, params)
    if (method === 'eth_blockNumber') return hex(await visibleHead())
    if (method !== 'eth_getBlockByNumber') return callJsonRpc(target, method, params)
    const head = await visibleHead()
    const [name, ...rest] = params
    const found = (await callJsonRpc(target, method, [name === 'latest' ? hex(head) : name, ...rest])) as {
      readonly number: string
    } | null
    if (found === null || Number(found.number) <= head) return found
    // A tag such as `finalized` names an older block on a node that is behind; a number names none.
    return String(name).startsWith('0x') ? null : callJsonRpc(target, method, [hex(head), ...rest])
  }

  return {
    async answer({ id, method, params = [] }) {
      try {
        return { jsonrpc: '2.0', id, result: await result(method, params) }
      } catch (error) {
        if (!(error instanceof JsonRpcError)) throw error
        return { jsonrpc: '2.0', id, error: { code: error.code, message: error.message } }
      }
    },
    lag(blocks) {
      lagging = blocks
    },
    fail: failures.add,
  }
}

import { JsonRpcError } from './json-rpc-server.ts'

/**
 * One JSON-RPC 2.0 request over HTTP, on a connection of its own, so that nothing stays open.
 * @throws JsonRpcError what the node answers with.
 */
export async function callJsonRpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const answer = (await response.json()) as {
    readonly result?: unknown
    readonly error?: { readonly code: number; readonly message: string }
  }
  if (answer.error !== undefined) throw new JsonRpcError(answer.error.code, answer.error.message)
  return answer.result
}

/** A request of a batch. */
export type JsonRpcCall = readonly [method: string, params: readonly unknown[]]

/**
 * Many JSON-RPC 2.0 requests in one body; the results are in the same order.
 * @throws JsonRpcError the first error that the node answers with.
 */
export async function callJsonRpcBatch(url: string, calls: readonly JsonRpcCall[]): Promise<unknown[]> {
  if (calls.length === 0) return []
  const body = calls.map(([method, params], id) => ({ jsonrpc: '2.0', id, method, params }))
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(body),
  })
  const answers = (await response.json()) as readonly {
    readonly id: number
    readonly result?: unknown
    readonly error?: { readonly code: number; readonly message: string }
  }[]
  const failed = answers.find(({ error }) => error !== undefined)?.error
  if (failed !== undefined) throw new JsonRpcError(failed.code, failed.message)
  const results = new Map(answers.map(({ id, result }) => [id, result]))
  return calls.map((_call, id) => results.get(id))
}

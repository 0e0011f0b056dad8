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

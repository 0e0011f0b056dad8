/** The `cause` of a `CHAIN_RPC_FAILED`: what the node answered. */
export class RpcAnswerError extends Error {
  /** Code of JSON-RPC 2.0, or the node's own; the HTTP status where that says that the request failed. */
  readonly code: number
  /** How long the node wants to be left alone, where it said so. Milliseconds. */
  readonly retryAfterMs?: number

  constructor(code: number, message: string, retryAfterMs?: number) {
    super(message)
    this.code = code
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs
  }

  override get name(): string {
    return 'RpcAnswerError'
  }
}

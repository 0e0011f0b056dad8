import { JsonRpcError, type JsonRpcMethod } from './json-rpc-server.ts'

/** Which requests a node answers with an error. */
export interface RpcFailure {
  /** Name of the method, as in `state_getStorage`. */
  readonly method: string
  /** Only requests that name this block, by number or hash, fail. Default: all. */
  readonly block?: number
  /** How many requests fail. Default 1. */
  readonly times?: number
  /** What the client gets. Default `-32000`, `Injected failure`. */
  readonly error?: { readonly code: number; readonly message: string }
}

/** Methods wrapped so that they fail when told to. */
export interface RpcFailures {
  readonly methods: Record<string, JsonRpcMethod>
  /** Throws the `JsonRpcError` of a failure that is due for this request. */
  readonly failIfDue: (method: string, params: readonly unknown[]) => void
  readonly add: (failure: RpcFailure) => void
}

/** Makes methods fail on order. `numberOf` tells the number of the block that a hash names. */
export function createRpcFailures(
  methods: Readonly<Record<string, JsonRpcMethod>>,
  numberOf: (hash: string) => number | undefined,
): RpcFailures {
  const waiting: { left: number; failure: RpcFailure }[] = []

  const names = (block: number, param: unknown): boolean =>
    Array.isArray(param)
      ? param.some((element) => names(block, element))
      : param === block || (typeof param === 'string' && numberOf(param) === block)

  const failIfDue = (method: string, params: readonly unknown[]): void => {
    const due = waiting.find(
      ({ left, failure }) =>
        left > 0 && failure.method === method && (failure.block === undefined || names(failure.block, params)),
    )
    if (due === undefined) return
    due.left -= 1
    const { code, message } = due.failure.error ?? { code: -32_000, message: 'Injected failure' }
    throw new JsonRpcError(code, message)
  }

  return {
    methods: Object.fromEntries(
      Object.entries(methods).map(([name, method]) => [
        name,
        (params, connection) => {
          failIfDue(name, params)
          return method(params, connection)
        },
      ]),
    ),
    failIfDue,
    add(failure) {
      waiting.push({ left: failure.times ?? 1, failure })
    },
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

import { Registry } from 'prom-client'

import { ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { createChainMetrics } from './chain-metrics.ts'
import type { ChainProtocol } from './chain-protocol.ts'
import type { JsonRpcSocket } from './json-rpc-socket.ts'
import { openJsonRpc } from './open-json-rpc.ts'
import { redactUrl } from './redact-url.ts'

export interface ChainConnectionOptions {
  /** What kind of chain it is. */
  readonly protocol: ChainProtocol
  /** URLs of nodes of one chain, as `resolveEndpoints` gives them; the first that answers is used. */
  readonly endpoints: readonly string[]
  readonly logger: Logger
  readonly metrics?: Metrics
  /** Genesis hash of the chain that is meant. Default: that of the first node that answers. */
  readonly expectedGenesisHash?: string
  /** How long connecting may take, the check of the genesis hash included. Default 10 s. */
  readonly connectTimeoutMs?: number
  /** How long a request waits for a connection, and then again for its answer. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** How often the node is asked for a sign of life. Default 20 s. */
  readonly heartbeatMs?: number
  /** The longest pause between two tries to connect. Default 15 s. */
  readonly maxBackoffMs?: number
  /** For tests. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * The connection to one chain that everything in a process shares. Its modes:
 *
 * - *idle* until `start()`.
 * - *connecting*: goes through the endpoints in turn, with growing, jittered pauses, for ever. Each failed try is one warning
 *   in the log. Requests wait for it until they time out.
 * - *connected*: an endpoint answers and serves the right chain. When it is lost, requests in flight reject, and connecting
 *   goes on with the next endpoint.
 * - *closed* by `close()`, or at the start when all endpoints serve a wrong chain: that is a mistake in the configuration and
 *   does not heal.
 *
 * Requests are raw JSON-RPC and nothing is cached, so no failure is ever remembered.
 */
export interface ChainConnection {
  /**
   * Connects, and resolves when the chain can be asked. Rejects with the signal's reason when it aborts first, and with a
   * `ConfigurationError`, `CHAIN_WRONG_GENESIS`, when all endpoints serve another chain; either closes the connection.
   */
  start(signal?: AbortSignal): Promise<void>
  /** Genesis hash of the chain. Waits for a connection. */
  genesisHash(): Promise<string>
  /** One request. Rejects with a `RetryableError`: `CHAIN_RPC_FAILED` or `CHAIN_UNREACHABLE`. */
  send(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Calls back with every connection that is made, the present one included. Returns what ends that. */
  onConnected(listener: (socket: JsonRpcSocket) => void): () => void
  /** True while an endpoint is connected. */
  isHealthy(): boolean
  /**
   * Drops the endpoint in use, because it seems to be of no use any more, and goes on with the next one. Requests in flight reject
   * with a `RetryableError`. Does nothing while none is connected. `reason` goes into the log and into those errors.
   */
  reset(reason: string): void
  /** Cuts the connection; requests in flight reject. Idempotent. */
  close(): Promise<void>
}

interface Connected {
  readonly socket: JsonRpcSocket
  readonly genesisHash: string
  readonly endpoint: string
}

const MIN_BACKOFF_MS = 200
/** A connection that is lost sooner counts as a failed try, so that one which never holds is not retried in a rush. */
const STEADY_AFTER_MS = 5_000

/** Prepares a connection; nothing is opened before `start()`. Throws a `ConfigurationError` without endpoints. */
export function createChainConnection({
  protocol,
  endpoints,
  logger,
  metrics = new Registry(),
  expectedGenesisHash,
  connectTimeoutMs = 10_000,
  requestTimeoutMs = 30_000,
  heartbeatMs = 20_000,
  maxBackoffMs = 15_000,
  random = Math.random,
}: ChainConnectionOptions): ChainConnection {
  if (endpoints.length === 0) throw new ConfigurationError('CONFIG_INVALID', 'A chain needs at least one endpoint.')
  const counters = createChainMetrics(metrics)
  const listeners = new Set<(socket: JsonRpcSocket) => void>()
  const closing = new AbortController()
  let genesis = expectedGenesisHash?.toLowerCase()
  let connected: Connected | undefined
  let connection = deferred<Connected>()
  let hasConnected = false
  let lastFailure = 'it was not started'
  let running: Promise<void> | undefined

  const connect = async (url: string): Promise<Connected> => {
    const began = Date.now()
    const socket = await openJsonRpc({ url, connectTimeoutMs, requestTimeoutMs, heartbeatMs }, closing.signal)
    try {
      const left = Math.max(1, began + connectTimeoutMs - Date.now())
      const { method, params } = protocol.genesisRequest
      const answer = await within(left, socket.send(method, params), () => {
        return unreachable(`${redactUrl(url)} did not tell its genesis hash within ${connectTimeoutMs} ms.`)
      })
      const genesisHash = protocol.parseGenesisHash(answer)
      if (genesisHash !== (genesis ?? genesisHash)) throw wrongGenesis(url, genesisHash, genesis)
      genesis = genesisHash
      return { socket, genesisHash, endpoint: redactUrl(url) }
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** Stays connected until the other side or `close()` ends it. Resolves with how long that was. */
  const hold = async (made: Connected): Promise<number> => {
    const { socket, endpoint, genesisHash } = made
    const since = Date.now()
    connected = made
    hasConnected = true
    connection.resolve(made)
    counters.connected.set({ endpoint }, 1)
    logger.info({ endpoint, genesisHash }, 'connected to the chain')
    for (const listener of listeners) listener(socket)

    const reason = await socket.closed
    leave()
    counters.connected.set({ endpoint }, 0)
    lastFailure = reason.message
    if (!closing.signal.aborted) logger.warn({ endpoint, reason: lastFailure }, 'lost the connection to the chain')
    return Date.now() - since
  }

  /** From now on requests wait for the next endpoint. */
  const leave = (): void => {
    if (connected === undefined) return
    connected = undefined
    connection = deferred()
  }

  /** After this there is no connection any more, and `error` says so to all who ask. */
  const end = (error: unknown): void => {
    closing.abort()
    connection.reject(error)
  }

  const run = async (): Promise<void> => {
    const wrong = new Set<string>()
    let failures = 0
    for (let turn = 0; !closing.signal.aborted; turn++) {
      const url = endpoints[turn % endpoints.length] ?? ''
      let retryInMs = 0
      try {
        const heldMs = await hold(await connect(url))
        failures = heldMs < STEADY_AFTER_MS ? failures + 1 : 0
        if (failures > 0) retryInMs = backoff(failures)
      } catch (error) {
        if (closing.signal.aborted) break
        failures += 1
        retryInMs = backoff(failures)
        report(url, error, { failures, retryInMs })
        if (!hasConnected && isWrongGenesis(error) && wrong.add(url).size === new Set(endpoints).size) return end(error)
      }
      // Ends early when closing.
      if (retryInMs > 0) await sleep(retryInMs, undefined, { signal: closing.signal }).catch(() => undefined)
    }
    end(unreachable('The connection to the chain was closed.'))
  }

  /** Full jitter between the least pause and one that doubles with each failure. */
  const backoff = (failures: number): number => {
    const longest = Math.max(MIN_BACKOFF_MS, Math.min(maxBackoffMs, MIN_BACKOFF_MS * 2 ** failures))
    return Math.round(MIN_BACKOFF_MS + random() * (longest - MIN_BACKOFF_MS))
  }

  const report = (
    url: string,
    error: unknown,
    next: { readonly failures: number; readonly retryInMs: number },
  ): void => {
    const endpoint = redactUrl(url)
    lastFailure = error instanceof Error ? error.message : String(error)
    counters.connectFailures.inc({ endpoint })
    if (isWrongGenesis(error)) logger.error({ endpoint, reason: lastFailure, ...next }, 'refused a chain endpoint')
    else logger.warn({ endpoint, reason: lastFailure, ...next }, 'cannot connect to the chain, will try again')
  }

  const whenConnected = async (): Promise<Connected> =>
    connected ??
    within(requestTimeoutMs, connection.promise, () =>
      unreachable(`No chain endpoint was connected within ${requestTimeoutMs} ms. Last failure: ${lastFailure}`),
    )

  const close = async (): Promise<void> => {
    closing.abort()
    if (running === undefined) end(unreachable('The connection to the chain was closed.'))
    await running
  }

  return {
    async start(signal) {
      signal?.throwIfAborted()
      const abort = (): void => void close()
      signal?.addEventListener('abort', abort, { once: true })
      running ??= run()
      try {
        await connection.promise
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },

    genesisHash: async () => (await whenConnected()).genesisHash,

    async send(method, params) {
      const { socket, endpoint } = await whenConnected()
      const stopTimer = counters.seconds.startTimer({ method })
      try {
        const result = await socket.send(method, params)
        counters.requests.inc({ endpoint, outcome: 'ok' })
        return result
      } catch (error) {
        counters.requests.inc({ endpoint, outcome: isAnswer(error) ? 'error' : 'unreachable' })
        throw error
      } finally {
        stopTimer()
      }
    },

    onConnected(listener) {
      listeners.add(listener)
      if (connected !== undefined) listener(connected.socket)
      return () => listeners.delete(listener)
    },

    isHealthy: () => connected !== undefined,
    reset(reason) {
      const socket = connected?.socket
      leave()
      socket?.close(reason)
    },
    close,
  }
}

function unreachable(text: string): RetryableError {
  return new RetryableError('CHAIN_UNREACHABLE', text)
}

function wrongGenesis(url: string, found: string, expected: string | undefined): ConfigurationError {
  const text = `${redactUrl(url)} serves the chain with genesis ${found}, not ${expected}. Remove it, or give this chain another name.`
  return new ConfigurationError('CHAIN_WRONG_GENESIS', text)
}

function isWrongGenesis(error: unknown): boolean {
  return error instanceof ConfigurationError && error.code === 'CHAIN_WRONG_GENESIS'
}

/** Whether the node answered, though with an error. */
function isAnswer(error: unknown): boolean {
  return error instanceof RetryableError && error.code === 'CHAIN_RPC_FAILED'
}

/** A promise to be settled later, whose rejection is no news when nobody waits. */
function deferred<T>(): PromiseWithResolvers<T> {
  const made = Promise.withResolvers<T>()
  made.promise.catch(() => undefined)
  return made
}

async function within<T>(ms: number, promise: Promise<T>, error: () => Error): Promise<T> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => timeout.reject(error()), ms)
  try {
    return await Promise.race([promise, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import { within } from '../service/within.ts'
import type { ChainMetrics } from './chain-metrics.ts'
import type { ChainProtocol } from './chain-protocol.ts'
import { createEndpointList } from './endpoint-list.ts'
import type { JsonRpcSocket } from './json-rpc-socket.ts'
import { openJsonRpc } from './open-json-rpc.ts'
import { redactUrl } from './redact-url.ts'
import { createRequestLimiter, type RequestLimiter } from './request-limiter.ts'
import { answerOf, isTimeout, unreachable } from './rpc-failure.ts'

export interface FailoverOptions {
  readonly protocol: ChainProtocol
  /** Each once, in the order of preference. Not empty. */
  readonly endpoints: readonly string[]
  /** How each is shown. */
  readonly labels: ReadonlyMap<string, string>
  readonly logger: Logger
  readonly counters: ChainMetrics
  readonly expectedGenesisHash: string | undefined
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly heartbeatMs: number
  readonly genesisCheckMs: number
  readonly backoff: { readonly minMs: number; readonly maxMs: number }
  readonly random: () => number
}

/** An endpoint that was connected to and serves the right chain. */
export interface ConnectedEndpoint {
  readonly socket: JsonRpcSocket
  readonly genesisHash: string
  readonly url: string
  /** The URL as it may be shown. */
  readonly label: string
  /** Kept from connection to connection. */
  readonly limiter: RequestLimiter
}

/** Keeps one of several endpoints connected. Its modes are those of the `ChainConnection` that it serves. */
export interface Failover {
  start(signal?: AbortSignal): Promise<void>
  /** The endpoint in use, where there is one. */
  current(): ConnectedEndpoint | undefined
  /** The endpoint in use, or the next one. Rejects with `CHAIN_UNREACHABLE` when none is connected within `limitMs`. */
  connected(limitMs: number): Promise<ConnectedEndpoint>
  onConnected(listener: (socket: JsonRpcSocket) => void): () => void
  /** Drops the endpoint in use and lets the others come first for a while. */
  reset(reason: string): void
  /**
   * Goes on with the next endpoint when there is one, because this one, if it is the one in use, wants to be left alone.
   * Its requests in flight are not lost.
   */
  spare(made: ConnectedEndpoint): void
  close(): Promise<void>
}

/** Prepares it; nothing is opened before `start()`. */
export function createFailover(options: FailoverOptions): Failover {
  const { protocol, endpoints, labels, logger, counters, connectTimeoutMs, requestTimeoutMs, genesisCheckMs, random } =
    options
  const list = createEndpointList(options)
  const limiters = new Map<string, RequestLimiter>()
  const listeners = new Set<(socket: JsonRpcSocket) => void>()
  const closing = new AbortController()
  let genesis = options.expectedGenesisHash?.toLowerCase()
  let current: ConnectedEndpoint | undefined
  let next = deferred<ConnectedEndpoint>()
  /** Resolves with the reason when the endpoint in use is to be spared. */
  let spared = deferred<string>()
  let hasConnected = false
  let lastFailure = 'it was not started'
  let running: Promise<void> | undefined

  const labelOf = (url: string): string => labels.get(url) ?? redactUrl(url)

  const limiterOf = (url: string): RequestLimiter => {
    const known = limiters.get(url)
    if (known !== undefined) return known
    const endpoint = labelOf(url)
    const made = createRequestLimiter({
      random,
      onChange(limit, inFlight) {
        counters.concurrencyLimit.set({ endpoint }, limit)
        counters.inFlight.set({ endpoint }, inFlight)
      },
    })
    limiters.set(url, made)
    return made
  }

  const tellGenesis = async (socket: JsonRpcSocket): Promise<string> => {
    const { method, params } = protocol.genesisRequest
    return protocol.parseGenesisHash(await socket.send(method, params))
  }

  /** Throws when it is not the chain that is meant. The first chain is, where nobody said which. */
  const accept = (url: string, found: string): void => {
    if (found !== (genesis ?? found)) throw wrongGenesis(url, found, genesis)
    genesis = found
  }

  const connect = async (url: string): Promise<ConnectedEndpoint> => {
    const began = performance.now()
    const socket = await openJsonRpc({ ...options, url }, closing.signal)
    try {
      const leftMs = Math.max(1, began + connectTimeoutMs - performance.now())
      const told = tellGenesis(socket)
      if (!(await within(leftMs, told)))
        throw unreachable(`${redactUrl(url)} did not tell its genesis hash within ${connectTimeoutMs} ms.`)
      const genesisHash = await told
      accept(url, genesisHash)
      return { socket, genesisHash, url, label: labelOf(url), limiter: limiterOf(url) }
    } catch (error) {
      socket.close()
      throw error
    }
  }

  /** From now on requests wait for the next endpoint, those included that wait for their turn at this one. */
  const leave = (): void => {
    const left = current
    if (left === undefined) return
    current = undefined
    next = deferred()
    left.limiter.sendAway()
  }

  /** Stays with the endpoint until it is lost, reset or spared. Throws when it turns out to serve another chain. */
  const hold = async (made: ConnectedEndpoint): Promise<void> => {
    const { socket, genesisHash, url, label: endpoint } = made
    let wrong: ConfigurationError | undefined
    // Behind a URL that stays connected, or that has no connection of its own, the chain may still change; and a node may be
    // stuck although its connection is alive.
    const check = async (): Promise<void> => {
      if (made.limiter.pausedUntilMs > performance.now()) return
      try {
        accept(url, await tellGenesis(socket))
      } catch (error) {
        // Whatever else fails here fails for all requests, and is dealt with there.
        if (isWrongGenesis(error)) wrong = error
        if (wrong !== undefined) socket.close('it serves another chain')
        else if (isTimeout(error)) socket.close('it answers no requests any more')
      }
    }
    const checks = setInterval(() => void check(), genesisCheckMs)
    current = made
    hasConnected = true
    spared = deferred()
    next.resolve(made)
    counters.connected.set({ endpoint }, 1)
    logger.info({ endpoint, genesisHash }, 'connected to the chain')
    try {
      for (const listener of listeners) listener(socket)
      const closed = socket.closed.then(({ message }) => {
        // At once, so that nobody who hears of it asks a socket that is gone.
        if (current === made) leave()
        return message
      })
      lastFailure = await Promise.race([closed, spared.promise])
    } finally {
      clearInterval(checks)
      if (current === made) leave()
      counters.connected.set({ endpoint }, 0)
      closeWhenAnswered(socket)
    }
    if (wrong !== undefined) throw wrong
    if (!closing.signal.aborted) logger.warn({ endpoint, reason: lastFailure }, 'lost the connection to the chain')
  }

  /** What is in flight at an endpoint that is spared ends by its own time-out at the latest. */
  const closeWhenAnswered = (socket: JsonRpcSocket): void => {
    const timer = setTimeout(() => socket.close(), requestTimeoutMs)
    void socket.closed.then(() => clearTimeout(timer))
  }

  /** After this there is no connection any more, and `error` says so to all who ask. */
  const end = (error: unknown): void => {
    closing.abort()
    next.reject(error)
  }

  const run = async (): Promise<void> => {
    const wrong = new Set<string>()
    while (!closing.signal.aborted) {
      const { url, waitMs } = list.next(performance.now())
      if (waitMs > 0) {
        // Ends early when closing.
        await sleep(waitMs, undefined, { signal: closing.signal }).catch(() => undefined)
        continue
      }
      try {
        const made = await connect(url)
        const connectedAt = performance.now()
        await hold(made)
        const nowMs = performance.now()
        list.failed(url, { nowMs, heldMs: nowMs - connectedAt, notBeforeMs: made.limiter.pausedUntilMs })
      } catch (error) {
        if (closing.signal.aborted) break
        report(url, error)
        if (!hasConnected && isWrongGenesis(error) && wrong.add(url).size === endpoints.length) return end(error)
      }
    }
    end(unreachable('The connection to the chain was closed.'))
  }

  const report = (url: string, error: unknown): void => {
    const endpoint = labelOf(url)
    const nowMs = performance.now()
    const wishMs = answerOf(error)?.retryAfterMs
    const notBeforeMs = wishMs === undefined ? undefined : nowMs + wishMs
    const failed = list.failed(url, { nowMs, notBeforeMs })
    const fields = { endpoint, ...failed, retryInMs: Math.round(failed.retryInMs) }
    lastFailure = error instanceof Error ? error.message : String(error)
    counters.connectFailures.inc({ endpoint })
    if (isWrongGenesis(error)) logger.error({ ...fields, reason: lastFailure }, 'refused a chain endpoint')
    else logger.warn({ ...fields, reason: lastFailure }, 'cannot connect to the chain, will try again')
  }

  const close = async (): Promise<void> => {
    closing.abort()
    if (running === undefined) end(unreachable('The connection to the chain was closed.'))
    await running
  }

  for (const endpoint of labels.values()) counters.connected.set({ endpoint }, 0)

  return {
    async start(signal) {
      signal?.throwIfAborted()
      const abort = (): void => void close()
      signal?.addEventListener('abort', abort, { once: true })
      running ??= run()
      try {
        await next.promise
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },

    current: () => current,

    async connected(limitMs) {
      if (current !== undefined) return current
      const awaited = next.promise
      if (await within(limitMs, awaited)) return awaited
      const text = `No chain endpoint was connected within ${requestTimeoutMs} ms. Last failure: ${lastFailure}`
      throw unreachable(text)
    },

    onConnected(listener) {
      listeners.add(listener)
      if (current !== undefined) listener(current.socket)
      return () => listeners.delete(listener)
    },

    reset(reason) {
      const made = current
      if (made === undefined) return
      list.reset(made.url, performance.now())
      leave()
      made.socket.close(reason)
    },

    spare(made) {
      if (current !== made || endpoints.length === 1) return
      leave()
      spared.resolve('it is asked too often and wants to be left alone')
    },

    close,
  }
}

function wrongGenesis(url: string, found: string, expected: string | undefined): ConfigurationError {
  const text = `${redactUrl(url)} serves the chain with genesis ${found}, not ${expected}. Remove it, or give this chain another name.`
  return new ConfigurationError('CHAIN_WRONG_GENESIS', text)
}

function isWrongGenesis(error: unknown): error is ConfigurationError {
  return error instanceof ConfigurationError && error.code === 'CHAIN_WRONG_GENESIS'
}

/** A promise to be settled later, whose rejection is no news when nobody waits. */
function deferred<T>(): PromiseWithResolvers<T> {
  const made = Promise.withResolvers<T>()
  made.promise.catch(() => undefined)
  return made
}

import { Registry } from 'prom-client'

import { ConfigurationError, RetryableError } from '../errors/blockmill-error.ts'
import type { Logger } from '../observability/logger.ts'
import type { Metrics } from '../observability/metrics.ts'
import { createChainMetrics } from './chain-metrics.ts'
import type { ChainProtocol } from './chain-protocol.ts'
import { type ConnectedEndpoint, createFailover } from './failover.ts'
import type { JsonRpcSocket } from './json-rpc-socket.ts'
import { labelEndpoints } from './redact-url.ts'
import type { RequestTurn, TurnEnd } from './request-limiter.ts'
import { isRateLimit, RpcAnswerError } from './rpc-answer-error.ts'
import { answerOf, isTimeout, unreachable } from './rpc-failure.ts'

export interface ChainConnectionOptions {
  /** What kind of chain it is. */
  readonly protocol: ChainProtocol
  /** URLs of nodes of one chain, as `resolveEndpoints` gives them, in the order in which they are preferred. */
  readonly endpoints: readonly string[]
  /** URLs of archive nodes of the chain, asked only for state that the endpoint in use no longer keeps. Default: none. */
  readonly archiveEndpoints?: readonly string[] | undefined
  readonly logger: Logger
  readonly metrics?: Metrics
  /** Genesis hash of the chain that is meant. Default: that of the first node that answers. */
  readonly expectedGenesisHash?: string
  /** How long connecting may take, the check of the genesis hash included. Default 10 s. */
  readonly connectTimeoutMs?: number
  /** How long a request waits for a connection and its turn there, and then again for its answer. Default 30 s. */
  readonly requestTimeoutMs?: number
  /** How often the node is asked for a sign of life. Default 20 s. */
  readonly heartbeatMs?: number
  /** How often the genesis hash is checked again while the same endpoint is in use, and that it answers at all. Default 60 s. */
  readonly genesisCheckMs?: number
  /** The shortest pause before an endpoint that failed is tried again. Default 200 ms. */
  readonly minBackoffMs?: number
  /** The longest one. Default 15 s. */
  readonly maxBackoffMs?: number
  /** For tests. Default `Math.random`. */
  readonly random?: () => number
}

/**
 * The connection to one chain that everything in a process shares. Its modes:
 *
 * - *idle* until `start()`.
 * - *connecting*: tries the endpoints in the order given, for ever. One that failed is avoided for a pause that grows and is
 *   jittered, meanwhile the others are tried. Each failed try is one warning in the log.
 * - *connected*: an endpoint answers and serves the right chain. When it is lost, requests in flight reject, and connecting
 *   goes on, first of all with the other endpoints. An endpoint that works is not left for a preferred one that is back.
 * - *closed* by `close()`, or at the start when all endpoints serve a wrong chain: that is a mistake in the configuration and
 *   does not heal.
 *
 * As many requests are in flight as the endpoint takes; the others wait for their turn. One that the endpoint refuses because it is
 * asked too often is sent again, after the pause that it asks for; every other failure is the caller's at once.
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

/** An endpoint that wants to be left alone for longer than this is spared for another, if there is one. */
const LONG_PAUSE_MS = 5_000

/** Prepares a connection; nothing is opened before `start()`. Throws a `ConfigurationError` without endpoints. */
export function createChainConnection(options: ChainConnectionOptions): ChainConnection {
  return createLabelledConnection(options, labelEndpoints(options.endpoints))
}

function createLabelledConnection(
  options: ChainConnectionOptions,
  labels: ReadonlyMap<string, string>,
): ChainConnection {
  const {
    protocol,
    endpoints,
    archiveEndpoints = [],
    metrics = new Registry(),
    expectedGenesisHash,
    connectTimeoutMs = 10_000,
    requestTimeoutMs = 30_000,
    heartbeatMs = 20_000,
    genesisCheckMs = 60_000,
    minBackoffMs = 200,
    maxBackoffMs = 15_000,
    random = Math.random,
  } = options
  if (endpoints.length === 0) throw new ConfigurationError('CONFIG_INVALID', 'A chain needs at least one endpoint.')
  const counters = createChainMetrics(metrics)
  const failover = createFailover({
    protocol,
    endpoints: [...new Set(endpoints)],
    labels,
    logger: options.logger,
    counters,
    expectedGenesisHash,
    connectTimeoutMs,
    requestTimeoutMs,
    heartbeatMs,
    genesisCheckMs,
    backoff: { minMs: minBackoffMs, maxMs: maxBackoffMs },
    random,
  })
  let archive: ChainConnection | undefined
  let isClosed = false

  /** Makes one request when its turn comes, and again while it is refused because of the rate. */
  const ask = async <T>(method: string, request: (socket: JsonRpcSocket) => Promise<T>): Promise<T> => {
    const deadline = performance.now() + requestTimeoutMs
    const leftMs = (): number => Math.max(0, deadline - performance.now())
    let refusal: RetryableError | undefined
    for (;;) {
      const made = await failover.connected(leftMs())
      const isInUse = (): boolean => failover.current() === made
      // Nobody is sent away any more who begins to wait at an endpoint that was left.
      const turn = isInUse() ? await made.limiter.take(leftMs(), { again: refusal !== undefined }) : undefined
      if (turn !== undefined && isInUse()) {
        try {
          return await exchange(made, turn, method, request)
        } catch (error) {
          if (!isRefusal(error) || leftMs() === 0) throw error
          refusal = error
        }
      } else {
        // The endpoint was left meanwhile, or no turn came in time.
        turn?.end({ type: 'lost' })
        if (leftMs() === 0) throw refusal ?? noTurn(made, method)
      }
    }
  }

  const exchange = async <T>(
    made: ConnectedEndpoint,
    turn: RequestTurn,
    method: string,
    request: (socket: JsonRpcSocket) => Promise<T>,
  ): Promise<T> => {
    const endpoint = made.label
    const stopTimer = counters.seconds.startTimer({ endpoint, method })
    try {
      const result = await request(made.socket)
      turn.end({ type: 'answered' })
      counters.requests.inc({ endpoint, outcome: 'ok' })
      return result
    } catch (error) {
      const how = turnEnd(error)
      turn.end(how)
      counters.requests.inc({ endpoint, outcome: OUTCOMES[how.type] })
      if (how.type === 'rate_limited' && made.limiter.pausedUntilMs - performance.now() > LONG_PAUSE_MS)
        failover.spare(made)
      throw error
    } finally {
      stopTimer()
    }
  }

  const noTurn = ({ label, limiter }: ConnectedEndpoint, method: string): RetryableError => {
    const pauseMs = limiter.pausedUntilMs - performance.now()
    const why =
      pauseMs > 0
        ? `it wants to be left alone for another ${Math.ceil(pauseMs / 1_000)} s`
        : 'it takes too few requests at once'
    return unreachable(`${label} had no room for ${method} within ${requestTimeoutMs} ms: ${why}.`)
  }

  /** Connects to the archive when it is first needed. Its requests wait for that and say why it fails. */
  const openArchive = async (): Promise<ChainConnection> => {
    const genesisHash = await connection.genesisHash()
    if (archive !== undefined) return archive
    if (isClosed) throw unreachable('The connection to the chain was closed.')
    archive = createLabelledConnection(
      { ...options, endpoints: archiveEndpoints, archiveEndpoints: [], expectedGenesisHash: genesisHash },
      labelEndpoints(archiveEndpoints, ' (archive)'),
    )
    // Whoever asks it for something gets the reason.
    archive.start().catch(() => undefined)
    return archive
  }

  const connection: ChainConnection = {
    start: (signal) => failover.start(signal),
    genesisHash: async () => (await failover.connected(requestTimeoutMs)).genesisHash,

    async send(method, params) {
      try {
        return await ask(method, (socket) => socket.send(method, params))
      } catch (error) {
        const answer = answerOf(error)
        if (answer === undefined || !protocol.isStateDiscarded(answer)) throw error
        if (archiveEndpoints.length === 0) throw needsArchive(error, answer)
        return (await openArchive()).send(method, params)
      }
    },

    onConnected: (listener) => failover.onConnected(listener),
    isHealthy: () => failover.current() !== undefined,
    reset: (reason) => failover.reset(reason),

    async close() {
      isClosed = true
      await Promise.all([failover.close(), archive?.close()])
    },
  }
  return connection
}

/** Names of outcomes in metrics. */
const OUTCOMES = {
  answered: 'error',
  rate_limited: 'rate_limited',
  timed_out: 'unreachable',
  lost: 'unreachable',
} as const satisfies Record<TurnEnd['type'], string>

/** Whether the same request may well work a little later, and nothing else is wrong with it. */
function isRefusal(error: unknown): error is RetryableError {
  return error instanceof RetryableError && turnEnd(error).type === 'rate_limited'
}

function turnEnd(error: unknown): TurnEnd {
  const answer = answerOf(error)
  if (answer === undefined) return { type: isTimeout(error) ? 'timed_out' : 'lost' }
  return isRateLimit(answer) ? { type: 'rate_limited', retryAfterMs: answer.retryAfterMs } : { type: 'answered' }
}

/** The error with what to do about it, in its cause as well, of which viem makes its own errors. */
function needsArchive(error: unknown, { code, message, retryAfterMs, data }: RpcAnswerError): RetryableError {
  const advice = 'Nodes keep the state of recent blocks only: name one that keeps all in CHAIN_ARCHIVE_URL.'
  const advised = (text: string): string => `${text.replace(/\.$/, '')}. ${advice}`
  const text = advised(error instanceof Error ? error.message : String(error))
  const cause = new RpcAnswerError(code, advised(message), retryAfterMs, data)
  return new RetryableError('CHAIN_RPC_FAILED', text, { cause })
}

import {
  type AnyChainAccess,
  createChainConnection,
  evmProtocol,
  isRateLimit,
  isTimeout,
  type Logger,
  redactUrl,
  RetryableError,
  RpcAnswerError,
} from '@blockmill/core'

import { ProviderError, type ProviderFailure } from './provider-error.ts'
import type { RpcUrls } from './provider-settings.ts'

/** A node, or several of one chain, that JSON-RPC requests are sent to. */
export interface RpcNode {
  /** As shown. */
  readonly label: string
  /** Rejects with a `ProviderError`. */
  send(method: string, params: readonly unknown[]): Promise<unknown>
  /** Idempotent. */
  close(): Promise<void>
}

export interface RpcNodeOptions {
  readonly chainId: number
  readonly rpcUrls: RpcUrls | undefined
  /** The chain that the worker itself is connected to. */
  readonly chain?: (() => AnyChainAccess) | undefined
  readonly logger: Logger
  /** How long a request waits for a connection, and then for its answer. Default 30 s. */
  readonly requestTimeoutMs?: number
}

/**
 * Opens what serves a chain: the nodes that `EVM_RPC_URLS` names for it, else the worker's own connection when it is of that chain.
 * @throws ProviderError `unconfigured` when there is neither, or a node is of another chain.
 */
export async function openRpcNode(options: RpcNodeOptions): Promise<RpcNode> {
  const { chainId, rpcUrls, chain } = options
  const urls = rpcUrls?.get(chainId)
  const node = urls === undefined ? ofWorker(chain?.()) : connect(urls, options)
  if (node === undefined) throw unconfigured(chainId, 'the worker itself is not connected to an EVM chain')
  try {
    const answered = Number(await node.send('eth_chainId', []))
    if (answered === chainId) return node
    const isOwn = urls === undefined
    const found = isOwn ? `the worker itself is connected to ${answered}` : `${node.label} serves ${answered}`
    throw unconfigured(chainId, found)
  } catch (error) {
    await node.close()
    throw error
  }
}

/** The connection of core: failover, batches, limits that are learnt, pauses after a limit on the rate. */
function connect(endpoints: readonly string[], { logger, requestTimeoutMs = 30_000 }: RpcNodeOptions): RpcNode {
  const connection = createChainConnection({ protocol: evmProtocol, endpoints, logger, requestTimeoutMs })
  // Whoever sends a request hears of it.
  connection.start().catch(() => undefined)
  return {
    label: endpoints.map(redactUrl).join(', '),
    send: (method, params) => connection.send(method, params).catch(rethrow),
    close: () => connection.close(),
  }
}

function ofWorker(chain: AnyChainAccess | undefined): RpcNode | undefined {
  if (chain?.kind !== 'evm') return undefined
  // viem knows the methods by their types, and passes on what it is given.
  const request = chain.client.request as (call: { method: string; params: readonly unknown[] }) => Promise<unknown>
  return {
    label: `the node of chain '${chain.id}'`,
    send: (method, params) => request({ method, params }).catch(rethrow),
    close: async () => undefined,
  }
}

function unconfigured(chainId: number, found: string): ProviderError {
  const text = `No node of the chain with id ${chainId} is known: ${found}. Set EVM_RPC_URLS to ${chainId}=https://…, in the environment of every worker.`
  return new ProviderError('unconfigured', text)
}

function rethrow(error: unknown): never {
  const answer = answerWithin(error)
  const message = error instanceof Error ? error.message : String(error)
  if (answer !== undefined) {
    if (isRateLimit(answer))
      throw new ProviderError('rate_limited', message, { retryAfterMs: answer.retryAfterMs, cause: error })
    throw new ProviderError(failureOf(answer), message, { cause: error })
  }
  if (isTimeout(error)) throw new ProviderError('timed_out', message, { cause: error })
  if (error instanceof RetryableError && error.code === 'CHAIN_UNREACHABLE')
    throw new ProviderError('unreachable', message, { cause: error })
  throw new ProviderError('invalid_data', message, { cause: error })
}

/** The codes of JSON-RPC 2.0 and of EIP-1474. Gateways that let few methods through have codes of their own. */
const METHOD_MISSING_CODES = [-32_601, -32_004]
const METHOD_MISSING_TEXT =
  /method.* (not (found|supported|available|allowed|whitelisted|enabled)|unsupported|does not exist|disabled)/i
/** Time-outs of gateways: the node itself took too long. */
const GATEWAY_TIMEOUTS = [504, 524]

function failureOf({ code, message }: RpcAnswerError): ProviderFailure {
  if (GATEWAY_TIMEOUTS.includes(code)) return 'timed_out'
  if (code >= 500 && code < 600) return 'unavailable'
  return METHOD_MISSING_CODES.includes(code) || METHOD_MISSING_TEXT.test(message) ? 'method_missing' : 'refused'
}

/** What the node answered, however deep viem has put it. */
function answerWithin(error: unknown): RpcAnswerError | undefined {
  if (error instanceof RpcAnswerError) return error
  return error instanceof Error ? answerWithin(error.cause) : undefined
}

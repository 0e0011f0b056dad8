import { type BlockRange, parseRetryAfter, redactUrl, redactUrls } from '@blockmill/core'

import { type ListedTransaction, parseBlockNumber, parseHead, parseTransactions } from './etherscan-answer.ts'
import { refusal } from './etherscan-refusal.ts'
import { ProviderError, type ProviderErrorOptions } from './provider-error.ts'

export interface EtherscanApiOptions {
  /** As `https://api.etherscan.io/v2/api`. What its query has is kept. */
  readonly url: string
  readonly apiKey: string
  readonly chainId: number
  /** From the request to the last byte of the answer. */
  readonly timeoutMs: number
}

/** Which rows are meant. */
export interface TransactionsRequest {
  readonly address: string
  readonly range: BlockRange
  /** From 1. */
  readonly page: number
  /** Rows of a page. An API gives no more than its cap. */
  readonly offset: number
}

/** The requests to an Etherscan-compatible API that are made here. All throw a `ProviderError` that names no key. */
export interface EtherscanApi {
  /** As shown: the redacted URL. */
  readonly label: string
  transactions(request: TransactionsRequest, signal: AbortSignal): Promise<readonly ListedTransaction[]>
  /** Number of the newest block that the node behind the API has. Blockscout refuses it. */
  nodeHead(signal: AbortSignal): Promise<number>
  /** Number of the newest block that the API itself has. Some refuse it. */
  listedHead(signal: AbortSignal): Promise<number>
}

/** Ten thousand rows with long inputs; more is asked for in smaller parts. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
const UNAUTHORIZED = 401
const TOO_MANY_REQUESTS = 429

/** Speaks version 2 of Etherscan's API, in which `chainid` names the chain. Opens nothing by itself. */
export function createEtherscanApi({ url, apiKey, chainId, timeoutMs }: EtherscanApiOptions): EtherscanApi {
  const label = redactUrl(url)
  // The encoded key may stand in what a proxy answers.
  const redact = (text: string): string =>
    redactUrls(text.replaceAll(apiKey, '…').replaceAll(encodeURIComponent(apiKey), '…'))

  /** Resolves with the parsed body of an answer with status 200. */
  const get = async (parameters: Readonly<Record<string, string | number>>, signal: AbortSignal): Promise<unknown> => {
    const target = new URL(url)
    for (const [name, value] of Object.entries({ chainid: chainId, ...parameters, apikey: apiKey }))
      target.searchParams.set(name, String(value))
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      // A redirect would carry the key to where it may not belong.
      const response = await fetch(target, { signal: AbortSignal.any([signal, timeout]), redirect: 'error' })
      return readAnswer(response, await readText(response), redact)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ProviderError) throw error
      if (timeout.aborted) throw new ProviderError('timed_out', `${label} did not answer within ${timeoutMs} ms.`)
      throw new ProviderError('unreachable', `${label} cannot be reached: ${redact(reasonOf(error))}.`)
    }
  }

  const parsed = async <T>(answer: Promise<unknown>, parse: (body: unknown) => T): Promise<T> => {
    const body = await answer
    try {
      return parse(body)
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      // Some repeat the key in what they say.
      throw new ProviderError(error.type, redact(error.message))
    }
  }

  return {
    label,
    transactions({ address, range: { from, to }, page, offset }, signal) {
      const parameters = { address, startblock: from, endblock: to, page, offset, sort: 'asc' }
      return parsed(get({ module: 'account', action: 'txlist', ...parameters }, signal), parseTransactions)
    },
    nodeHead: (signal) => parsed(get({ module: 'proxy', action: 'eth_blockNumber' }, signal), parseHead),
    listedHead(signal) {
      const parameters = { timestamp: Math.floor(Date.now() / 1_000), closest: 'before' }
      return parsed(get({ module: 'block', action: 'getblocknobytime', ...parameters }, signal), parseBlockNumber)
    },
  }
}

/** The parsed body, or a `ProviderError` for what has another status or is no JSON. */
function readAnswer({ status, headers }: Response, text: string, redact: (text: string) => string): unknown {
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'), Date.now())
  const fail = (type: ProviderError['type'], what: string): ProviderError =>
    new ProviderError(type, `The API answered with HTTP status ${status}${what}.`, { retryAfterMs })
  const body = parseJson(text)
  if (status === TOO_MANY_REQUESTS) throw fail('rate_limited', ': it is asked too often')
  if (status >= 500) throw fail('unavailable', '')
  if (status === UNAUTHORIZED) throw fail('key_refused', ': it does not take ETHERSCAN_API_KEY')
  if (status !== 200)
    throw body === undefined ? fail('refused', ADVICE_ON_URL) : refusedWith(body, redact, { retryAfterMs })
  if (body === undefined) throw fail('unavailable', ' and something that is not JSON, such as a web page')
  return body
}

const ADVICE_ON_URL = '. Check ETHERSCAN_API_URL: it must be an API like https://api.etherscan.io/v2/api'

function refusedWith(body: unknown, redact: (text: string) => string, options: ProviderErrorOptions): ProviderError {
  const { message, result } = { ...(typeof body === 'object' && body) } as Record<'message' | 'result', unknown>
  const text = [message, result].filter((part) => typeof part === 'string').join(': ')
  return refusal(redact(text === '' ? (JSON.stringify(body) ?? '') : text), options)
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength
    if (bytes > MAX_ANSWER_BYTES) {
      const limit = `${MAX_ANSWER_BYTES / 1024 / 1024} MiB`
      throw new ProviderError('too_much', `The answer of the API is larger than ${limit}.`)
    }
    text += decoder.decode(chunk as Uint8Array, { stream: true })
  }
  return text + decoder.decode()
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A web page, or an answer that was cut short. The caller says so.
    return undefined
  }
}

/** Why `fetch` failed: it says so in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError) return cause.errors.map(reasonOf).join(', ')
  return cause instanceof Error && cause.message !== '' ? cause.message : error.message
}

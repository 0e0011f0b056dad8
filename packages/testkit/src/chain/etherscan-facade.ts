import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import type { EtherscanTransactions } from './etherscan-transactions.ts'

/** What an API does to those who ask it. May be changed while it runs. */
export interface EtherscanLimits {
  /** Rows of one answer, however many are asked for. Default 10,000, as on paid plans; free ones have 1,000. */
  rowCap: number
  /** A page that ends behind this row is refused. Default 10,000. */
  resultWindow: number
  /** Requests of one key in any second. Default: no limit. */
  callsPerSecond: number
  /** Requests of one key until `limits.callsPerDay` is raised. Default: no limit. */
  callsPerDay: number
  /** Milliseconds before each answer. Default 0. */
  latencyMs: number
  /** How many blocks the lists are behind the node. Default 0. */
  blocksBehind: number
  /** Keys that are valid. Default: `test-key` alone. */
  apiKeys: readonly string[]
}

export interface EtherscanFacadeOptions extends Partial<EtherscanLimits> {
  /** What it serves; see `chainTransactions`, `listTransactions` and `syntheticTransactions`. */
  readonly transactions: EtherscanTransactions
}

/** A request as it came. */
export interface EtherscanRequest {
  /** `txlist`, `eth_blockNumber`, `getblocknobytime` or what else was asked. */
  readonly action: string
  readonly apiKey: string
  readonly from: number
  readonly to: number
  readonly page: number
  readonly offset: number
}

/** What happens to the next requests in place of an answer. */
export interface EtherscanFault {
  /** `status: "0"` with HTTP 200, a web page, an HTTP status, a connection that is cut in the middle of the answer, or no answer at all. */
  readonly type: 'notok' | 'html' | 'status' | 'cut' | 'stall'
  /** Of `notok`: the text of `result`. */
  readonly result?: string
  /** Of `status` and `html`. Default 503 and 200. */
  readonly status?: number
  /** The header `Retry-After`. */
  readonly retryAfter?: string
  /** How many requests. Default 1. */
  readonly times?: number
  /** Which requests. Default: all. */
  readonly matches?: (request: EtherscanRequest) => boolean
}

/** An HTTP server that speaks as much of Etherscan's API v2 as listing transactions takes, with its limits and its errors. */
export interface EtherscanFacade {
  /** `http://127.0.0.1:<port>/v2/api` */
  readonly url: string
  /** A valid key. */
  readonly apiKey: string
  readonly limits: EtherscanLimits
  /** All requests so far, those that were refused included. */
  readonly requests: readonly EtherscanRequest[]
  /** The most requests that were waiting for their answer at the same time. */
  readonly mostAtOnce: number
  fail(fault: EtherscanFault): void
  /** With `true`, cuts every connection and refuses new ones. */
  disconnect(disconnected: boolean): void
  /** Idempotent. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const PATH = '/v2/api'
const PAGE = '<!DOCTYPE html><html><title>Just a moment...</title><body>Checking your browser</body></html>'

/** Resolves when it listens, on a free port. */
export async function startEtherscanFacade({
  transactions,
  ...given
}: EtherscanFacadeOptions): Promise<EtherscanFacade> {
  const limits: EtherscanLimits = {
    rowCap: 10_000,
    resultWindow: 10_000,
    callsPerSecond: Number.POSITIVE_INFINITY,
    callsPerDay: Number.POSITIVE_INFINITY,
    latencyMs: 0,
    blocksBehind: 0,
    apiKeys: ['test-key'],
    ...given,
  }
  const requests: EtherscanRequest[] = []
  const faults: { left: number; readonly fault: EtherscanFault }[] = []
  const calls = new Map<string, number[]>()
  const stopped = new AbortController()
  let inFlight = 0
  let mostAtOnce = 0
  let disconnected = false

  /** What the limits of the key say to one more request. */
  const limitReached = (apiKey: string): string | undefined => {
    const times = calls.get(apiKey) ?? []
    calls.set(apiKey, times)
    if (times.length >= limits.callsPerDay)
      return `Max daily rate limit reached. ${times.length} (100%) of ${limits.callsPerDay} day/limit`
    const now = performance.now()
    const [oldest] = times.slice(-limits.callsPerSecond)
    const isOver = Number.isFinite(limits.callsPerSecond) && times.length >= limits.callsPerSecond
    if (isOver && oldest !== undefined && now - oldest < 1_000)
      return `Max calls per sec rate limit reached (${limits.callsPerSecond}/sec)`
    times.push(now)
    return undefined
  }

  const answerTo = async (request: EtherscanRequest, query: URLSearchParams): Promise<unknown> => {
    const { apiKey, action, from, to, page, offset } = request
    if (apiKey === '') return notOk('Missing/Invalid API Key')
    if (!limits.apiKeys.includes(apiKey)) return notOk('Invalid API Key')
    const limit = limitReached(apiKey)
    if (limit !== undefined) return notOk(limit)
    if (query.get('chainid') !== String(transactions.chainId))
      return notOk(
        'Missing or unsupported chainid parameter (required for v2 api), please see https://api.etherscan.io/v2/chainlist for the list of supported chainids',
      )
    const head = await transactions.head()
    const listed = Math.max(0, head - limits.blocksBehind)
    if (action === 'eth_blockNumber') return { jsonrpc: '2.0', id: 83, result: `0x${head.toString(16)}` }
    // Whatever the time that is asked for: blocks of development chains may be ahead of the clock.
    if (action === 'getblocknobytime') return { status: '1', message: 'OK', result: String(listed) }
    if (action !== 'txlist') return notOk('Error! Missing Or invalid Action name')
    const address = query.get('address') ?? ''
    if (!/^0x[0-9a-f]{40}$/i.test(address)) return notOk('Error! Invalid address format')
    if (page * offset > limits.resultWindow) {
      const message = `Result window is too large, PageNo x Offset size must be less than or equal to ${limits.resultWindow}`
      return { status: '0', message, result: null }
    }
    const rows = await transactions.rows({
      address: address.toLowerCase(),
      from,
      to: Math.min(to, listed),
      skip: (page - 1) * offset,
      limit: Math.min(offset, limits.rowCap),
    })
    return rows.length === 0
      ? { status: '0', message: 'No transactions found', result: [] }
      : { status: '1', message: 'OK', result: rows }
  }

  const misbehave = async (
    {
      type,
      result = 'Unexpected error, timeout or server too busy. Please try again later',
      status,
      retryAfter,
    }: EtherscanFault,
    response: ServerResponse,
  ): Promise<void> => {
    const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
    switch (type) {
      case 'notok':
        return send(response, notOk(result))
      case 'html':
        response.writeHead(status ?? 200, { 'content-type': 'text/html', ...headers }).end(PAGE)
        return
      case 'status':
        response.writeHead(status ?? 503, headers).end()
        return
      case 'cut':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
        response.write('{"status":"1","message":"OK","result":[{"block')
        // What was written must be on its way before the connection ends.
        await sleep(10)
        response.destroy()
        return
      case 'stall':
        await once(stopped.signal, 'abort')
    }
  }

  const serve = async (url: string, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams: query } = new URL(url, `http://${HOST}`)
    if (pathname !== PATH) return void response.writeHead(404).end(PAGE)
    const request = toRequest(query)
    requests.push(request)
    await sleep(limits.latencyMs, undefined, { signal: stopped.signal })
    const due = faults.find(({ left, fault }) => left > 0 && (fault.matches?.(request) ?? true))
    if (due === undefined) return send(response, await answerTo(request, query))
    due.left -= 1
    await misbehave(due.fault, response)
  }

  const server = createServer((request, response) => {
    inFlight += 1
    mostAtOnce = Math.max(mostAtOnce, inFlight)
    serve(request.url ?? '', response)
      // It is stopped, or the chain behind it is gone.
      .catch(() => response.destroy())
      .finally(() => (inFlight -= 1))
  })
  server.on('connection', (socket) => {
    if (disconnected) socket.resetAndDestroy()
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  const stop = async (): Promise<void> => {
    stopped.abort()
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  let stopping: Promise<void> | undefined

  return {
    url: `http://${HOST}:${port}${PATH}`,
    apiKey: limits.apiKeys[0] ?? '',
    limits,
    requests,
    get mostAtOnce() {
      return mostAtOnce
    },
    fail: (fault) => void faults.push({ left: fault.times ?? 1, fault }),
    disconnect(disconnect) {
      disconnected = disconnect
      if (disconnect) server.closeAllConnections()
    },
    stop: () => (stopping ??= stop()),
  }
}

function toRequest(query: URLSearchParams): EtherscanRequest {
  const number = (name: string, missing: number): number => Number(query.get(name) ?? missing)
  return {
    action: query.get('action') ?? '',
    apiKey: query.get('apikey') ?? '',
    from: number('startblock', 0),
    to: number('endblock', 999_999_999),
    page: number('page', 1),
    offset: number('offset', 10_000),
  }
}

function send(response: ServerResponse, answer: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(answer))
}

/** How Etherscan refuses: with HTTP status 200. */
function notOk(result: string): unknown {
  return { status: '0', message: 'NOTOK', result }
}

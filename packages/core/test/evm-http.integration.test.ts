import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

import { describe, expect, it, onTestFinished } from 'vitest'

import { createHttpPost, isAnswerTooLarge, isPostTimeout } from '../src/chain/http-post.ts'
import { openJsonRpcHttp } from '../src/chain/json-rpc-http.ts'
import type { JsonRpcSocket } from '../src/chain/json-rpc-socket.ts'

interface Request {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}

/** What a server makes of a body: status and headers, and what it sends back. `undefined` sends nothing, ever. */
type Reply = (body: Request | readonly Request[], headers: IncomingHttpHeaders) => HttpReply | undefined

interface HttpReply {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body: unknown
}

const answer = ({ id, method }: Request) => ({ jsonrpc: '2.0', id, result: method })
const answerAll: Reply = (body) => ({ body: Array.isArray(body) ? body.map(answer) : answer(body as Request) })

/** A connection to a server that answers so, and the bodies that it got. */
async function connect(
  reply: Reply,
  path = '',
  timings: { readonly requestTimeoutMs?: number; readonly heartbeatMs?: number } = {},
) {
  const bodies: (Request | readonly Request[])[] = []
  const answerHttp = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = JSON.parse(await text(request)) as Request | readonly Request[]
    bodies.push(body)
    const replied = reply(body, request.headers)
    if (replied === undefined) return
    const { status = 200, headers = {}, body: answered } = replied
    response.writeHead(status, headers).end(typeof answered === 'string' ? answered : JSON.stringify(answered))
  }
  const server = createServer((request, response) => void answerHttp(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://${path.includes('@') ? path.replace('@', `@127.0.0.1:${port}`) : `127.0.0.1:${port}${path}`}`
  const rpc = await openJsonRpcHttp({
    url,
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 2_000,
    heartbeatMs: 20_000,
    ...timings,
  })
  onTestFinished(async () => {
    rpc.close()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { rpc, bodies, server, peer: `http://127.0.0.1:${port}` }
}

const sendAll = (rpc: JsonRpcSocket, ...methods: string[]): Promise<PromiseSettledResult<unknown>[]> =>
  Promise.allSettled(methods.map((method) => rpc.send(method, [method])))
const values = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'fulfilled' ? result.value : (result.reason as { code: string }).code))

describe('JSON-RPC over HTTP', () => {
  it('sends what is asked in one turn as one batch, and what is asked alone as it is', async () => {
    const { rpc, bodies } = await connect(answerAll)
    expect(await rpc.send('alone', [1])).toBe('alone')
    expect(values(await sendAll(rpc, 'a', 'b', 'c'))).toEqual(['a', 'b', 'c'])
    expect(bodies).toMatchObject([
      { jsonrpc: '2.0', method: 'alone', params: [1] },
      [{ method: 'a' }, { method: 'b' }, { method: 'c' }],
    ])
  })

  it('puts no more than a hundred requests into a batch', async () => {
    const { rpc, bodies } = await connect(answerAll)
    const methods = Array.from({ length: 250 }, (_, index) => `m${index}`)
    expect(values(await sendAll(rpc, ...methods))).toEqual(methods)
    expect(bodies.map((body) => (body as readonly unknown[]).length)).toEqual([100, 100, 50])
  })

  it('gives each request of a batch its own answer, whatever their order', async () => {
    const { rpc } = await connect((body) => ({
      body: (body as readonly Request[])
        .filter(({ method }) => method !== 'missing')
        .map((one) =>
          one.method === 'bad' ? { id: one.id, error: { code: 3, message: 'no', data: '0x1' } } : answer(one),
        )
        .toReversed(),
    }))
    expect(values(await sendAll(rpc, 'a', 'bad', 'missing', 'b'))).toEqual([
      'a',
      'CHAIN_RPC_FAILED',
      'CHAIN_DATA_INVALID',
      'b',
    ])
  })

  it('refuses parameters that JSON cannot hold, and sends the rest of the batch', async () => {
    const { rpc, bodies } = await connect(answerAll)
    const [bad, good] = await Promise.allSettled([rpc.send('balance', [1n]), rpc.send('a')])
    expect(bad).toMatchObject({ reason: { kind: 'non-retryable', code: 'CHAIN_DATA_INVALID' } })
    expect(good).toMatchObject({ value: 'a' })
    expect(bodies).toMatchObject([{ method: 'a' }])
  })

  it.each([
    ['an error for the whole', { id: null, error: { code: -32_005, message: 'limit exceeded' } }],
    ['a list of one error', [{ id: null, error: { code: -32_005, message: 'limit exceeded' } }]],
  ])('does not take a limit on the rate in %s for a refused batch', async (_, body) => {
    const { rpc, bodies } = await connect(() => ({ body }))
    const results = await sendAll(rpc, 'a', 'b', 'c')
    expect(results).toMatchObject(results.map(() => ({ reason: { cause: { code: -32_005 } } })))
    expect(bodies).toHaveLength(1)
  })

  it('does not ask for a sign of life while the server wants to be left alone', async () => {
    const { rpc, bodies } = await connect(() => ({ status: 429, headers: { 'retry-after': '60' }, body: '' }), '', {
      heartbeatMs: 50,
    })
    await sendAll(rpc, 'a')
    const other = await connect(answerAll, '', { heartbeatMs: 50 })
    await expect.poll(() => other.bodies.length).toBeGreaterThan(1)
    expect(bodies).toHaveLength(1)
  })

  it.each([
    ['an error for the whole', { body: { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'no batches' } } }],
    ['a list of one error', { body: [{ jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'no batches' } }] }],
    ['status 413', { status: 413, body: 'Payload Too Large' }],
    ['status 405', { status: 405, body: '' }],
  ])('asks one by one where batches are refused with %s', async (_, refusal) => {
    const { rpc, bodies } = await connect((body, headers) => (Array.isArray(body) ? refusal : answerAll(body, headers)))
    expect(values(await sendAll(rpc, 'a', 'b', 'c', 'd'))).toEqual(['a', 'b', 'c', 'd'])
    bodies.length = 0
    await sendAll(rpc, 'a', 'b')
    expect(bodies).toMatchObject([{ method: 'a' }, { method: 'b' }])
  })

  it('tells how long to wait when it is asked too often, and does not take that for a refused batch', async () => {
    let refused = true
    const { rpc, bodies } = await connect((body, headers) =>
      refused ? { status: 429, headers: { 'retry-after': '7' }, body: 'slow down' } : answerAll(body, headers),
    )
    const [first] = await sendAll(rpc, 'a', 'b')
    expect(first).toMatchObject({ reason: { code: 'CHAIN_RPC_FAILED', cause: { code: 429, retryAfterMs: 7_000 } } })
    refused = false
    await sendAll(rpc, 'a', 'b')
    expect(bodies.at(-1)).toHaveLength(2)
  })

  it.each([
    [
      503,
      { 'retry-after': '3' },
      '<html>maintenance</html>',
      { code: 503, message: 'Service Unavailable', retryAfterMs: 3_000 },
    ],
    [401, {}, 'who are you', { code: 401, message: 'Unauthorized' }],
    [
      500,
      {},
      { id: 1, error: { code: -32_000, message: 'header not found' } },
      { code: -32_000, message: 'header not found' },
    ],
  ])('says what came with status %s', async (status, headers, body, cause) => {
    const { rpc, peer } = await connect(() => ({ status, headers, body }))
    await expect(rpc.send('a')).rejects.toMatchObject({
      kind: 'retryable',
      code: 'CHAIN_RPC_FAILED',
      message: `${peer} answered a with error ${cause.code}: ${cause.message}`,
      cause,
    })
  })

  it.each(['<html>welcome</html>', '', '{}', '7', 'null', '[]'])('takes %j for no answer', async (body) => {
    const { rpc } = await connect(() => ({ body }))
    await expect(rpc.send('a')).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_DATA_INVALID' })
  })

  it('gives up waiting for an answer, and goes on with others', async () => {
    const { rpc, peer } = await connect(
      (body, headers) => ((body as Request).method === 'never' ? undefined : answerAll(body, headers)),
      '',
      { requestTimeoutMs: 1_000 },
    )
    await expect(rpc.send('never')).rejects.toMatchObject({
      code: 'CHAIN_UNREACHABLE',
      message: `${peer} did not answer never within 1000 ms.`,
      cause: { name: 'RpcTimeoutError' },
    })
    expect(await rpc.send('a')).toBe('a')
  })

  it('has no subscriptions, and says what would', async () => {
    const { rpc } = await connect(answerAll)
    await expect(rpc.subscribe({ subscribe: 'eth_subscribe', unsubscribe: '' }, () => undefined)).rejects.toMatchObject(
      {
        kind: 'retryable',
        message: expect.stringContaining('HTTP has no subscriptions'),
        cause: { code: -32_601 },
      },
    )
  })

  it('sends the user of the URL as a header, keeps path and query, and shows none of them', async () => {
    const seen: IncomingHttpHeaders[] = []
    const { rpc, server } = await connect((body, headers) => {
      seen.push(headers)
      return answerAll(body, headers)
    }, 'me:s%40cret@/secret?key=secret')
    expect(await rpc.send('a')).toBe('a')
    expect(seen[0]?.authorization).toBe(`Basic ${Buffer.from('me:s@cret').toString('base64')}`)
    server.closeAllConnections()
    server.close()
    await expect(rpc.send('b')).rejects.toThrow(
      /^http:\/\/…@127\.0\.0\.1:\d+\/… was lost before it answered b: .*ECONN/,
    )
    expect((await rpc.closed).message).not.toMatch(/s(@|%40)?e?cret/)
  })

  it('takes a password that is not encoded as it is', async () => {
    const seen: IncomingHttpHeaders[] = []
    const { rpc } = await connect((body, headers) => {
      seen.push(headers)
      return answerAll(body, headers)
    }, 'me:50%@')
    expect(await rpc.send('a')).toBe('a')
    expect(seen[0]?.authorization).toBe(`Basic ${Buffer.from('me:50%').toString('base64')}`)
  })

  it('is closed by what it cannot reach, by its signal, and by who uses it', async () => {
    const gone = await connect(answerAll)
    gone.server.closeAllConnections()
    gone.server.close()
    await expect(gone.rpc.send('a')).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
    expect((await gone.rpc.closed).message).toMatch(/is gone: .*ECONNREFUSED/)

    const silent = await connect(() => undefined)
    const waiting = silent.rpc.send('a')
    silent.rpc.close('it is of no use')
    await expect(waiting).rejects.toThrow('was lost before it answered a: it is of no use.')
    await expect(silent.rpc.send('b')).rejects.toThrow('was lost before it answered b: it is of no use.')
    expect((await silent.rpc.closed).message).toContain('is gone: it is of no use.')

    const stopping = new AbortController()
    const aborted = await openJsonRpcHttp(
      { url: silent.peer, connectTimeoutMs: 1_000, requestTimeoutMs: 1_000, heartbeatMs: 1_000 },
      stopping.signal,
    )
    stopping.abort()
    expect((await aborted.closed).code).toBe('CHAIN_UNREACHABLE')
    await expect(
      openJsonRpcHttp({ url: silent.peer, connectTimeoutMs: 1, requestTimeoutMs: 1, heartbeatMs: 1 }, stopping.signal),
    ).rejects.toThrow('aborted')
  })

  it('asks a server for a sign of life when nobody else asks, and is closed without one', async () => {
    let isAlive = true
    const { rpc, bodies } = await connect((body, headers) => (isAlive ? answerAll(body, headers) : undefined), '', {
      heartbeatMs: 500,
    })
    await expect.poll(() => bodies.length).toBeGreaterThan(2)
    expect(bodies[0]).toMatchObject({ method: 'eth_chainId' })
    isAlive = false
    expect((await rpc.closed).message).toContain('it gave no sign of life for 1000 ms')
  })
})

it.each(['in one piece', 'in chunks of unknown number'])(
  'gives up an answer that is too large and comes %s',
  async (how) => {
    const server = createServer((_request, response) => {
      if (how === 'in one piece') response.setHeader('content-length', 2_000)
      response.write('1'.repeat(1_000))
      response.end('1'.repeat(1_000))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const http = createHttpPost({ url, connectTimeoutMs: 1_000, requestTimeoutMs: 2_000, maxAnswerBytes: 1_500 })
    onTestFinished(() => {
      http.destroy()
      server.close()
    })
    const error: unknown = await http.post('{}').catch((thrown: unknown) => thrown)
    expect(isAnswerTooLarge(error)).toBe(true)
    expect(isPostTimeout(error)).toBe(false)
  },
)

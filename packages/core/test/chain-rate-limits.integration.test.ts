import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { JsonRpcError, type JsonRpcMethod } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'

import { connectionTo, GENESIS, node, urlOf } from './chain-nodes.ts'

/** A method that answers as many requests per window as it allows, and refuses the rest as providers do. The first window ends with a refusal. */
function limited(
  perWindow: number,
  windowMs: number,
): { method: JsonRpcMethod; counts: { ok: number; refused: number } } {
  const counts = { ok: 0, refused: 0 }
  let windowEnds = Number.POSITIVE_INFINITY
  let left = perWindow
  return {
    counts,
    method([value]) {
      if (performance.now() > windowEnds) [windowEnds, left] = [performance.now() + windowMs, perWindow]
      if (left === 0) {
        if (counts.refused === 0) windowEnds = performance.now() + windowMs
        counts.refused += 1
        throw new JsonRpcError(-32_005, 'limit exceeded')
      }
      left -= 1
      counts.ok += 1
      return value
    },
  }
}

describe('an endpoint that limits the rate of requests', () => {
  it('answers every one of a storm of requests in the end, without being asked in a rush', async () => {
    const { method, counts } = limited(40, 100)
    const metrics = new Registry()
    const server = await node({ echo: method })
    const { connection, lines } = connectionTo([urlOf(server)], { metrics, requestTimeoutMs: 20_000 })
    await connection.start()
    const asked = Array.from({ length: 300 }, (_, index) => index)
    expect(await Promise.all(asked.map((index) => connection.send('echo', [index])))).toEqual(asked)
    expect(counts.ok).toBe(300)
    expect(counts.refused).toBeGreaterThan(0)
    // Each refusal makes it wait: there are fewer of them than answers.
    expect(counts.refused).toBeLessThan(150)
    expect(lines.map(({ msg }) => msg)).toEqual(['connected to the chain'])
    const text = await metrics.metrics()
    const refused = new RegExp(
      `requests_total{endpoint="${urlOf(server)}",outcome="rate_limited"} ${counts.refused}\\n`,
    )
    expect(text).toMatch(refused)
    const limit = /blockmill_chain_concurrency_limit{[^}]*} (\d+)/.exec(text)?.[1]
    expect(Number(limit)).toBeLessThan(32)
    expect(text).toMatch(/blockmill_chain_requests_in_flight{[^}]*} 0/)
  })

  it('is not asked again before the time that it says', async () => {
    const times: number[] = []
    const server = await node({
      busy() {
        times.push(performance.now())
        if (times.length === 1) throw new JsonRpcError(-32_029, 'too fast', { retryAfter: 0.4 })
        return 'answered'
      },
      other() {
        times.push(performance.now())
        return 'other'
      },
    })
    const { connection } = connectionTo([urlOf(server)])
    await connection.start()
    const first = connection.send('busy')
    await expect.poll(() => times.length).toBeGreaterThan(0)
    expect(await Promise.all([first, connection.send('other')])).toEqual(['answered', 'other'])
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(395)
  })

  it('may say so in the words of HTTP', async () => {
    const times: number[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += String(chunk)))
      request.on('end', () => {
        const { id, method } = JSON.parse(body) as { id: number; method: string }
        if (method === 'echo') times.push(performance.now())
        // The header counts whole seconds.
        if (times.length === 1) response.writeHead(429, { 'Retry-After': '1' }).end('slow down')
        else response.end(JSON.stringify({ jsonrpc: '2.0', id, result: method === 'echo' ? 'answered' : GENESIS }))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    const { connection } = connectionTo([`http://127.0.0.1:${port}`], { requestTimeoutMs: 20_000 })
    await connection.start()
    expect(await connection.send('echo')).toBe('answered')
    expect(times).toHaveLength(2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(995)
  })

  it('makes a request fail with its answer when that goes on for too long', async () => {
    let asked = 0
    const server = await node({
      busy() {
        asked += 1
        throw new JsonRpcError(429, 'Too Many Requests')
      },
    })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 700 })
    await connection.start()
    await expect(connection.send('busy')).rejects.toMatchObject({
      kind: 'retryable',
      code: 'CHAIN_RPC_FAILED',
      cause: { code: 429 },
    })
    expect(asked).toBeGreaterThan(1)
    expect(asked).toBeLessThan(8)
  })

  it('is spared for another one when it wants to be left alone for long, and loses nothing that it was asked', async () => {
    const answer = Promise.withResolvers<string>()
    const slow = Promise.withResolvers<void>()
    const first = await node({
      busy() {
        throw new JsonRpcError(-32_005, 'daily limit exceeded', { retry_after: 3_600 })
      },
      slow() {
        slow.resolve()
        return answer.promise
      },
    })
    const second = await node({ busy: () => 'second' })
    const { connection, lines } = connectionTo([urlOf(first), urlOf(second)])
    await connection.start()
    const inFlight = connection.send('slow')
    await slow.promise
    expect(await connection.send('busy')).toBe('second')
    answer.resolve('first')
    expect(await inFlight).toBe('first')
    expect(lines.map(({ msg, endpoint }) => `${msg} ${endpoint}`)).toEqual([
      `connected to the chain ${urlOf(first)}`,
      `lost the connection to the chain ${urlOf(first)}`,
      `connected to the chain ${urlOf(second)}`,
    ])
  })

  it('is named with the time that it wants to be left alone where there is no other', async () => {
    const server = await node({
      busy() {
        throw new JsonRpcError(429, 'Too Many Requests', { retryAfter: 600 })
      },
    })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 1_000 })
    await connection.start()
    await expect(connection.send('busy')).rejects.toMatchObject({ cause: { code: 429 } })
    await expect(connection.send('other')).rejects.toThrow(
      /had no room for other within 1000 ms: it wants to be left alone for another (600|5\d\d) s/,
    )
  })

  it('is left alone when it refuses even the connection, as long as it says', async () => {
    const server = await node()
    server.refuseConnections({ status: 429, headers: { 'Retry-After': '3600' } })
    const { connection, lines } = connectionTo([urlOf(server)])
    const started = connection.start().catch(() => undefined)
    await expect.poll(() => lines.length).toBe(1)
    expect(lines[0]?.reason).toBe(`Cannot connect to ${urlOf(server)}: it answered with status 429`)
    expect(lines[0]?.retryInMs).toBeGreaterThan(3_599_000)
    await connection.close()
    await started
  })

  it('gets no more requests at once than it may, and each in its time', async () => {
    let [inFlight, most] = [0, 0]
    const full = Promise.withResolvers<void>()
    const server = await node({
      async work() {
        inFlight += 1
        most = Math.max(most, inFlight)
        // However slowly they come, nobody is answered before the limit is reached.
        if (inFlight === 32) full.resolve()
        await full.promise
        await new Promise((resolve) => setTimeout(resolve, 5))
        inFlight -= 1
      },
    })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 20_000 })
    await connection.start()
    await Promise.all(Array.from({ length: 200 }, () => connection.send('work')))
    // It grows by about one with each round.
    expect(most).toBeLessThan(45)
  })

  it('makes requests fail that get no turn in time', async () => {
    const server = await node({ never: () => new Promise(() => undefined) })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 500 })
    await connection.start()
    const failures = await Promise.allSettled(Array.from({ length: 100 }, () => connection.send('never')))
    const reasons = failures.map((failure) => (failure.status === 'rejected' ? String(failure.reason) : 'answered'))
    const unanswered = reasons.filter((reason) => reason.includes('did not answer never within 500 ms')).length
    const waited = reasons.filter((reason) => reason.includes('had no room for never within 500 ms')).length
    expect(unanswered + waited).toBe(100)
    // Those that time out may make room for half as many at the last moment.
    expect(unanswered).toBeGreaterThanOrEqual(32)
    expect(waited).toBeGreaterThanOrEqual(50)
  })
})

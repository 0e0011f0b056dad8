import { createServer } from 'node:net'
import { once } from 'node:events'

import { JsonRpcError } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocketServer } from 'ws'

import { connectionTo, ERROR, freePort, GENESIS, node, OTHER_GENESIS, urlOf, WARN } from './chain-nodes.ts'

/** The URL of a server that sends these texts. */
async function rawServer(answerTo: (id: number, method: string) => string): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const { id, method } = JSON.parse(data.toString()) as { id: number; method: string }
      socket.send(answerTo(id, method))
    })
  })
  return urlOf(server.address() as { port: number })
}

describe('connecting to a chain', () => {
  it('warns once for each failed try and connects when the node is there', async () => {
    const port = await freePort()
    const { connection, lines } = connectionTo([urlOf({ port })])
    const started = connection.start()
    await expect.poll(() => lines.length).toBeGreaterThan(2)
    expect(connection.isHealthy()).toBe(false)
    await node({}, GENESIS, port)
    await started

    const failures = lines.filter(({ level }) => level === WARN)
    expect(failures.length).toBeGreaterThan(2)
    expect(failures.map((line) => line.failures)).toEqual(failures.map((_, index) => index + 1))
    for (const { msg, reason, retryInMs } of failures) {
      expect(msg).toBe('cannot connect to the chain, will try again')
      expect(retryInMs).toBeGreaterThan(0)
      expect(reason).toBe(`Cannot connect to ws://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`)
    }
    expect(connection.isHealthy()).toBe(true)
    expect(await connection.genesisHash()).toBe(GENESIS)
  })

  it('goes to the next endpoint when one does not answer, and when the one in use is lost', async () => {
    const [first, second] = [await node({ system_name: () => 'first' }), await node({ system_name: () => 'second' })]
    const dead = urlOf({ port: await freePort() })
    const { connection } = connectionTo([dead, urlOf(first), urlOf(second)])
    await connection.start()
    expect(await connection.send('system_name')).toBe('first')
    await first.stop()
    await expect.poll(() => connection.send('system_name').catch(() => 'lost')).toBe('second')
  })

  it('refuses an endpoint of another chain and uses the right one', async () => {
    const [wrong, right] = [await node({}, OTHER_GENESIS), await node()]
    const { connection, lines } = connectionTo([urlOf(wrong), urlOf(right)], { expectedGenesisHash: GENESIS })
    await connection.start()
    expect(await connection.genesisHash()).toBe(GENESIS)
    const refused = lines.find(({ level }) => level === ERROR)
    expect(refused).toMatchObject({ msg: 'refused a chain endpoint', endpoint: urlOf(wrong) })
    expect(refused?.reason).toContain(`genesis ${OTHER_GENESIS}, not ${GENESIS}`)
  })

  it('fails for good when all endpoints serve another chain', async () => {
    const wrong = await node({}, OTHER_GENESIS)
    const { connection } = connectionTo([urlOf(wrong)], { expectedGenesisHash: GENESIS })
    const refusal = { code: 'CHAIN_WRONG_GENESIS', kind: 'configuration' }
    await expect(connection.start()).rejects.toMatchObject(refusal)
    await expect(connection.send('system_name')).rejects.toMatchObject(refusal)
    await expect(connection.start()).rejects.toMatchObject(refusal)
  })

  it('holds later endpoints to the genesis hash of the first, and goes on trying', async () => {
    const [first, other] = [await node(), await node({}, OTHER_GENESIS)]
    const { connection, lines } = connectionTo([urlOf(first), urlOf(other)])
    await connection.start()
    await first.stop()
    await expect.poll(() => lines.filter(({ level }) => level === ERROR).length).toBeGreaterThan(1)
    expect(connection.isHealthy()).toBe(false)
    await node({}, GENESIS, first.port)
    await expect.poll(() => connection.isHealthy()).toBe(true)
  })

  it('gives up an endpoint that takes the connection but says nothing', async () => {
    const mute = createServer()
    const sockets = new Set<{ destroy(): void }>()
    mute.on('connection', (socket) => sockets.add(socket)).listen(0, '127.0.0.1')
    await once(mute, 'listening')
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      mute.close()
    })
    const silent = await node({ chain_getBlockHash: () => new Promise(() => undefined) })
    const good = await node()
    const endpoints = [urlOf(mute.address() as { port: number }), urlOf(silent), urlOf(good)]
    const { connection, lines } = connectionTo(endpoints, { connectTimeoutMs: 1_000 })
    await connection.start()
    expect(lines.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('handshake has timed out'),
      expect.stringContaining('did not tell its genesis hash within 1000 ms'),
      undefined,
    ])
  })

  it('stops trying when its signal aborts', async () => {
    const { connection, lines } = connectionTo([urlOf({ port: await freePort() })])
    const stopping = new AbortController()
    const started = connection.start(stopping.signal)
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    stopping.abort(new Error('shutting down'))
    await expect(started).rejects.toThrow('shutting down')
    await connection.close()
    await expect(connection.send('system_name')).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
  })

  it('closes at once, whatever an endpoint keeps it waiting for', async () => {
    const asked = Promise.withResolvers<void>()
    const silent = await node({
      chain_getBlockHash: () => {
        asked.resolve()
        return new Promise(() => undefined)
      },
    })
    const { connection } = connectionTo([urlOf(silent)], { connectTimeoutMs: 60_000, requestTimeoutMs: 60_000 })
    const started = connection.start().catch(({ code }: { code: string }) => code)
    await asked.promise
    await connection.close()
    expect(await started).toBe('CHAIN_UNREACHABLE')
  })

  it.each([null, 'nonsense', 7])('takes %j for no genesis hash', async (answer) => {
    const [odd, good] = [await node({ chain_getBlockHash: () => answer }), await node()]
    const { connection, lines } = connectionTo([urlOf(odd), urlOf(good)])
    await connection.start()
    expect(lines[0]).toMatchObject({ endpoint: urlOf(odd), reason: expect.stringContaining('not a block hash') })
    expect(await connection.genesisHash()).toBe(GENESIS)
  })

  it('does not retry a connection that never holds faster than it backs off', async () => {
    const server = await node()
    let made = 0
    const { connection } = connectionTo([urlOf(server)], { random: () => 1, maxBackoffMs: 10_000 })
    connection.onConnected((socket) => {
      made += 1
      socket.close()
    })
    const began = performance.now()
    await connection.start()
    await expect.poll(() => made).toBeGreaterThanOrEqual(3)
    expect(performance.now() - began).toBeGreaterThan(400 + 800 - 50)
  })

  it('never shows what URLs carry besides host and port', async () => {
    const port = await freePort()
    const { connection, lines } = connectionTo([`ws://user:secret@127.0.0.1:${port}/secret?key=secret`], {
      requestTimeoutMs: 300,
    })
    const started = connection.start().catch(() => undefined)
    await expect.poll(() => lines.length).toBeGreaterThan(0)
    await expect(connection.send('system_name')).rejects.toThrow(
      /Last failure: Cannot connect to ws:\/\/….*ECONNREFUSED/,
    )
    await connection.close()
    await started
    expect(JSON.stringify(lines)).not.toContain('secret')
  })
})

describe('requests to a chain', () => {
  it('carries what the node says is wrong', async () => {
    const server = await node({
      state_call: () => {
        throw new JsonRpcError(4003, 'UnknownBlock: Header was not found')
      },
    })
    const { connection } = connectionTo([urlOf(server)])
    await connection.start()
    await expect(connection.send('state_call')).rejects.toMatchObject({
      kind: 'retryable',
      code: 'CHAIN_RPC_FAILED',
      message: `${urlOf(server)} answered state_call with error 4003: UnknownBlock: Header was not found`,
      cause: { name: 'RpcAnswerError', code: 4003 },
    })
  })

  it('gives up waiting for an answer, and takes no notice of it when it comes late', async () => {
    const answer = Promise.withResolvers<string>()
    const server = await node({ slow: () => answer.promise, fast: () => 'fast' })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 1_000 })
    await connection.start()
    await expect(connection.send('slow')).rejects.toThrow(`${urlOf(server)} did not answer slow within 1000 ms`)
    answer.resolve('late')
    expect(await connection.send('fast')).toBe('fast')
    expect(connection.isHealthy()).toBe(true)
  })

  it('refuses parameters that JSON cannot hold, and goes on with other requests', async () => {
    const server = await node({ name: () => 'here' })
    const { connection } = connectionTo([urlOf(server)], { requestTimeoutMs: 1_000 })
    await connection.start()
    const bad = connection.send('balance', [1n])
    await expect(bad).rejects.toMatchObject({ kind: 'non-retryable', code: 'CHAIN_DATA_INVALID' })
    await expect(bad).rejects.toThrow(/parameters of balance cannot be written as JSON.*BigInt.*0x/)
    // A request that had been left behind would now fail with nobody to hear of it.
    await expect(connection.send('never')).rejects.toThrow('Method not found')
    expect(await connection.send('name')).toBe('here')
  })

  it.each([
    ['an error that is only a text', '"error":"unauthorized"', 'CHAIN_RPC_FAILED', /unauthorized/],
    ['neither a result nor an error', '"data":1', 'CHAIN_DATA_INVALID', /not JSON-RPC/],
  ])('does not take %s for the answer that there is nothing', async (_, rest, code, message) => {
    const server = await rawServer((id, method) =>
      method === 'odd' ? `{"id":${id},${rest}}` : `{"id":${id},"result":"${GENESIS}"}`,
    )
    const { connection } = connectionTo([server])
    await connection.start()
    const odd = connection.send('odd')
    await expect(odd).rejects.toMatchObject({ kind: 'retryable', code })
    await expect(odd).rejects.toThrow(message)
    expect(await connection.send('good')).toBe(GENESIS)
  })

  it('says what a node found wrong when it does not say with which request', async () => {
    const server = await rawServer((id, method) =>
      method === 'large'
        ? '{"id":null,"error":{"code":-32007,"message":"Request is too big"}}'
        : `{"id":${id},"result":"${GENESIS}"}`,
    )
    const { connection } = connectionTo([server])
    await connection.start()
    await expect(connection.send('large')).rejects.toThrow(/it answered no request in particular with .*too big/)
  })

  it('fails requests in flight when the connection is lost, and answers new ones over the next', async () => {
    const server = await node({ never: () => new Promise(() => undefined), name: () => 'here' })
    const { connection } = connectionTo([urlOf(server)])
    await connection.start()
    const lost = connection.send('never')
    server.dropConnections()
    await expect(lost).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
    expect(await connection.send('name')).toBe('here')
  })

  it('goes on with the next endpoint when it is reset, and fails what was in flight', async () => {
    const asked = Promise.withResolvers<void>()
    const first = await node({
      never() {
        asked.resolve()
        return new Promise(() => undefined)
      },
    })
    const second = await node({ system_name: () => 'second' })
    const { connection, lines } = connectionTo([urlOf(first), urlOf(second)])
    await connection.start()
    const lost = connection.send('never')
    await asked.promise
    connection.reset('it showed no new head for 60 s')
    await expect(lost).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
    await expect(lost).rejects.toThrow('it showed no new head for 60 s')
    expect(await connection.send('system_name')).toBe('second')
    expect(lines.find(({ level }) => level === WARN)?.reason).toContain('it showed no new head for 60 s')
  })

  it('fails what is in flight when it is closed, and says by whom', async () => {
    const asked = Promise.withResolvers<void>()
    const server = await node({
      never() {
        asked.resolve()
        return new Promise(() => undefined)
      },
    })
    const { connection } = connectionTo([urlOf(server)])
    await connection.start()
    const lost = connection.send('never').catch(String)
    await asked.promise
    await connection.close()
    expect(await lost).toContain('was lost before it answered never: it was closed by this side.')
  })

  it('cuts a half-dead connection and makes a new one', async () => {
    const [stalled, good] = [await node(), await node()]
    const { connection, lines } = connectionTo([urlOf(stalled), urlOf(good)], { heartbeatMs: 100 })
    await connection.start()
    stalled.stall(true)
    await expect
      .poll(() => lines.filter(({ msg }) => msg === 'connected to the chain').at(-1)?.endpoint)
      .toBe(urlOf(good))
    expect(lines.find(({ level }) => level === WARN)?.reason).toContain('no sign of life for 100 ms')
  })

  it.each([
    'not JSON',
    '[]',
    '42',
    'null',
    '{"jsonrpc":"2.0","id":"x","result":1}',
    '{"method":"x"}',
    '{"method":"x","params":{"subscription":{"toString":1}}}',
  ])('cuts a peer that sends %s', async (text) => {
    const { connection, lines } = connectionTo([await rawServer(() => text)])
    const started = connection.start().catch(() => undefined)
    await expect.poll(() => lines[0]?.reason).toMatch(/it sent something that is not JSON-RPC/)
    await connection.close()
    await started
  })

  it('counts requests by endpoint and outcome, and knows which endpoint is connected', async () => {
    const metrics = new Registry()
    const server = await node({
      good: () => 1,
      bad: () => {
        throw new JsonRpcError(1, 'bad')
      },
    })
    const { connection } = connectionTo([`${urlOf(server)}/secret`], { metrics })
    const another = connectionTo([urlOf(server)], { metrics })
    await connection.start()
    await connection.send('good')
    await connection.send('bad').catch(() => undefined)
    const text = await metrics.metrics()
    const endpoint = `${urlOf(server)}/…`
    expect(text).toContain(`blockmill_chain_requests_total{endpoint="${endpoint}",outcome="ok"} 1`)
    expect(text).toContain(`blockmill_chain_requests_total{endpoint="${endpoint}",outcome="error"} 1`)
    expect(text).toContain(`blockmill_chain_connected{endpoint="${endpoint}"} 1`)
    expect(text).toContain(`blockmill_chain_request_seconds_count{endpoint="${endpoint}",method="good"} 1`)
    await connection.close()
    await another.connection.close()
    expect(await metrics.metrics()).toContain(`blockmill_chain_connected{endpoint="${endpoint}"} 0`)
  })

  it('needs an endpoint', () => {
    expect(() => connectionTo([])).toThrow('A chain needs at least one endpoint.')
  })
})

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { type JsonRpcConnection, JsonRpcError, type JsonRpcMethod, startTcpProxy } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished } from 'vitest'

import { createSilentLogger, createSubstrateSource, type SubstrateSource } from '../src/index.ts'
import { connectionTo, ERROR, GENESIS, node, OTHER_GENESIS, urlOf } from './chain-nodes.ts'

/** The methods of a node at a head. Blocks have their number as their hash. */
function blocks(head: () => number): Record<string, JsonRpcMethod> {
  const hashOf = (number: unknown): string =>
    number === 0 ? GENESIS : `0x${Number(number).toString(16).padStart(64, '0')}`
  const known = (number: unknown): string | null => (Number(number) > head() ? null : hashOf(number))
  return {
    chain_getBlockHash: ([number = head()]) => (Array.isArray(number) ? number.map(known) : known(number)),
    chain_getFinalizedHead: () => hashOf(head()),
    chain_getHeader: ([hash]) => ({
      number: `0x${(hash === GENESIS ? 0n : BigInt(String(hash))).toString(16)}`,
      parentHash: hashOf(1),
    }),
    state_getStorage: () => null,
  }
}

function sourceOf(
  endpoints: readonly string[],
  options: Partial<Parameters<typeof createSubstrateSource>[0]> = {},
): SubstrateSource {
  const source = createSubstrateSource({ endpoints, logger: createSilentLogger(), maxBackoffMs: 200, ...options })
  onTestFinished(() => source.close())
  return source
}

describe('a chain whose node', () => {
  it('is killed and started again on its port is followed again', async () => {
    const first = await node(blocks(() => 100))
    const source = sourceOf([urlOf(first)])
    await source.start()
    expect((await source.head()).number).toBe(100)
    await first.stop()
    await expect(source.head()).rejects.toMatchObject({ kind: 'retryable' })
    await node(
      blocks(() => 112),
      GENESIS,
      first.port,
    )
    await expect.poll(async () => (await source.head().catch(() => undefined))?.number).toBe(112)
  })

  it('is behind a dead network is left within two heartbeats, and what was asked fails', async () => {
    const [dead, good] = [await node(blocks(() => 100)), await node(blocks(() => 101))]
    const proxy = await startTcpProxy({ target: urlOf(dead) })
    onTestFinished(() => proxy.stop())
    const source = sourceOf([proxy.url, urlOf(good)], { heartbeatMs: 1_000, connectTimeoutMs: 5_000 })
    await source.start()
    expect((await source.head()).number).toBe(100)
    proxy.stall()
    const began = performance.now()
    await expect(source.head()).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
    // Not only by the time-out of the request, which is 30 s.
    expect(performance.now() - began).toBeLessThan(15_000)
    expect((await source.head()).number).toBe(101)
  })

  it('is behind a firewall that forgot the connection is connected to anew', async () => {
    const server = await node(blocks(() => 100))
    const proxy = await startTcpProxy({ target: urlOf(server) })
    onTestFinished(() => proxy.stop())
    const source = sourceOf([proxy.url], { heartbeatMs: 1_000 })
    await source.start()
    proxy.halfOpen()
    await expect(source.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
    expect((await source.head()).number).toBe(100)
    expect(proxy.acceptedConnections).toBe(2)
  })

  it('answers nothing any more although its connection is alive is left, too', async () => {
    let isStuck = false
    const stuck = await node({
      chain_getBlockHash: () => (isStuck ? new Promise(() => undefined) : GENESIS),
      system_name: () => 'stuck',
    })
    const good = await node({ system_name: () => 'good' })
    const { connection, lines } = connectionTo([urlOf(stuck), urlOf(good)], {
      genesisCheckMs: 50,
      heartbeatMs: 1_000,
      requestTimeoutMs: 1_000,
    })
    await connection.start()
    expect(await connection.send('system_name')).toBe('stuck')
    isStuck = true
    await expect.poll(() => connection.send('system_name').catch(() => undefined)).toBe('good')
    expect(lines[1]?.reason).toContain('it answers no requests any more')
  })

  it('fails is replaced by one that is 50 blocks behind, whose head is then what there is', async () => {
    const [ahead, behind] = [await node(blocks(() => 1_000)), await node(blocks(() => 950))]
    const source = sourceOf([urlOf(ahead), urlOf(behind)])
    await source.start()
    expect((await source.head()).number).toBe(1_000)
    await ahead.stop()
    await expect.poll(async () => (await source.head().catch(() => undefined))?.number).toBe(950)
    expect((await source.finalized()).number).toBe(950)
    expect(await source.block(1_000)).toBeUndefined()
    expect(await source.hashes([950, 951])).toEqual([expect.any(String), undefined])
  })

  it('answers with another block than the one that was asked for is not believed', async () => {
    const server = await node({ ...blocks(() => 100), chain_getHeader: () => ({ number: '0x8', parentHash: GENESIS }) })
    const source = sourceOf([urlOf(server)])
    await source.start()
    await expect(source.block(7)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_DATA_INVALID' })
    expect((await source.block(8))?.number).toBe(8)
  })

  it('fails for one block ten times is read the eleventh time, and for other blocks all the time', async () => {
    let failures = 0
    const methods = blocks(() => 100)
    const server = await node({
      ...methods,
      chain_getHeader(params, connection) {
        if (BigInt(String(params[0])) !== 7n || failures === 10) return methods['chain_getHeader']?.(params, connection)
        failures += 1
        throw new JsonRpcError(-32_000, 'Injected failure')
      },
    })
    const source = sourceOf([urlOf(server)])
    await source.start()
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await expect(source.block(7)).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_RPC_FAILED' })
      expect((await source.block(8))?.number).toBe(8)
    }
    expect((await source.block(7))?.number).toBe(7)
  })
})

describe('another chain behind the URL of an endpoint', () => {
  it('is refused when it appears with a restart, again and again, and the next endpoint is used', async () => {
    const first = await node({ system_name: () => 'first' })
    const second = await node({ system_name: () => 'second' })
    const { connection, lines } = connectionTo([urlOf(first), urlOf(second)])
    await connection.start()
    expect(await connection.send('system_name')).toBe('first')
    await first.stop()
    await expect.poll(() => connection.send('system_name').catch(() => undefined)).toBe('second')
    await node({ system_name: () => 'wrong' }, OTHER_GENESIS, first.port)
    const answers = new Set<unknown>()
    const refusals = (): number => lines.filter(({ level }) => level === ERROR).length
    while (refusals() < 2) {
      second.dropConnections()
      answers.add(await connection.send('system_name').catch(() => undefined))
    }
    expect([...answers].filter((answer) => answer !== undefined)).toEqual(['second'])
    expect(lines.find(({ level }) => level === ERROR)).toMatchObject({
      msg: 'refused a chain endpoint',
      endpoint: urlOf(first),
      reason: expect.stringContaining(`genesis ${OTHER_GENESIS}, not ${GENESIS}`),
    })
  })

  it('is noticed without a new connection, and left', async () => {
    let genesis = GENESIS
    const changing = await node({ chain_getBlockHash: () => genesis, system_name: () => 'changing' })
    const good = await node({ system_name: () => 'good' })
    const { connection, lines } = connectionTo([urlOf(changing), urlOf(good)], { genesisCheckMs: 50 })
    await connection.start()
    expect(await connection.send('system_name')).toBe('changing')
    genesis = OTHER_GENESIS
    await expect.poll(() => lines.filter(({ level }) => level === ERROR).length).toBe(1)
    expect(await connection.send('system_name')).toBe('good')
  })

  it('does not count while the node only fails to tell', async () => {
    let isBroken = false
    let asked = 0
    const server = await node({
      chain_getBlockHash() {
        asked += 1
        if (isBroken) throw new JsonRpcError(-32_000, 'busy')
        return GENESIS
      },
    })
    const { connection, lines } = connectionTo([urlOf(server)], { genesisCheckMs: 20 })
    await connection.start()
    isBroken = true
    const before = asked
    await expect.poll(() => asked).toBeGreaterThan(before + 3)
    expect(connection.isHealthy()).toBe(true)
    expect(lines).toHaveLength(1)
  })
})

it('never shows the keys of an endpoint, whatever goes wrong with it', async () => {
  const metrics = new Registry()
  const server = await node({
    good: () => 1,
    bad() {
      throw new JsonRpcError(
        1,
        'see wss://secret@host/secret?key=secret: secret-path-1 of secret-word is no key',
        'secret-query-1',
      )
    },
    busy() {
      throw new JsonRpcError(429, 'Too Many Requests')
    },
    never: () => new Promise(() => undefined),
  })
  const keyed = ({ port }: { readonly port: number }): string =>
    `ws://secret-user:secret-word@127.0.0.1:${port}/v2/secret-path-1?key=secret-query-1`
  const wrong = await node({}, OTHER_GENESIS)
  const { connection, lines } = connectionTo([keyed(wrong), keyed(server)], {
    metrics,
    requestTimeoutMs: 300,
    expectedGenesisHash: GENESIS,
    archiveEndpoints: [keyed(wrong)],
  })
  await connection.start()
  const errors: string[] = []
  const ask = async (method: string): Promise<void> => {
    await connection.send(method).catch((error: unknown) => errors.push(textsOf(error)))
  }
  await ask('good')
  await Promise.all(['bad', 'busy', 'never'].map(ask))
  const lost = ask('never')
  connection.reset('a test asks for it')
  await lost
  await server.stop()
  await ask('good')
  expect(errors.length).toBeGreaterThanOrEqual(5)
  expect(lines.length).toBeGreaterThan(3)
  for (const text of [...errors, JSON.stringify(lines), await metrics.metrics()]) expect(text).not.toContain('secret')
})

/** All that a log line could show of an error: messages and stacks, through its causes. */
function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return `${error.message} ${error.stack} ${JSON.stringify(error)} ${textsOf(error.cause)}`
}

it('keeps nothing of a thousand connections that are gone', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const warnings: Error[] = []
  const warn = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))

  let subscriptions = 0
  const subscribe: JsonRpcMethod = (_params, connection: JsonRpcConnection) => {
    subscriptions += 1
    return connection.subscribe('head', () => (subscriptions -= 1)).id
  }
  const server = await node({
    ...blocks(() => 100),
    chain_subscribeNewHeads: subscribe,
    chain_subscribeFinalizedHeads: subscribe,
  })
  const source = sourceOf([urlOf(server)], { minBackoffMs: 0, maxBackoffMs: 0 })
  await source.start()
  const listening = new AbortController()
  const wakeUps = source.wakeUps(listening.signal)[Symbol.asyncIterator]()

  let connects = 0
  let wanted = Promise.withResolvers<void>()
  source.connection.onConnected(() => {
    connects += 1
    wanted.resolve()
  })
  const reconnect = async (times: number): Promise<number> => {
    for (let time = 0; time < times; time += 1) {
      wanted = Promise.withResolvers()
      if (time % 2 === 0) server.dropConnections()
      else source.reset('the test asks for it')
      await wanted.promise
      await source.head().catch(() => undefined)
    }
    collect()
    return process.memoryUsage().heapUsed
  }

  const after200 = await reconnect(200)
  const after1000 = await reconnect(800)
  expect(connects).toBe(1_001)
  expect((after1000 - after200) / 2 ** 20).toBeLessThan(2)
  await expect.poll(() => subscriptions).toBe(2)
  expect(warnings).toEqual([])
  expect((await wakeUps.next()).done).toBe(false)
  listening.abort()
  expect((await wakeUps.next()).done).toBe(true)
})

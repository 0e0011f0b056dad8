import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

import { afterEach, describe, expect, test } from 'vitest'

import { waitFor } from '../testing/wait-for.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A server that sends back what it gets. */
async function startEcho(): Promise<{ url: string; server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => {
      server.close(resolve)
    })
  })
  return { url: `amqp://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/vhost`, server, sockets }
}

async function startProxy(target: string): Promise<TcpProxy> {
  const proxy = await startTcpProxy({ target })
  closing.push(() => proxy.stop())
  return proxy
}

interface Client {
  readonly socket: Socket
  readonly received: () => string
  readonly error: () => NodeJS.ErrnoException | undefined
}

async function openClient(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' })
  let received = ''
  let error: NodeJS.ErrnoException | undefined
  socket.on('data', (chunk) => {
    received += chunk.toString()
  })
  socket.on('error', (cause) => {
    error = cause
  })
  closing.push(() => socket.destroy())
  await once(socket, 'connect')
  return { socket, received: () => received, error: () => error }
}

/** Sends text and waits for its echo, which proves the way there and back. */
async function expectEcho(client: Client, text: string): Promise<void> {
  client.socket.write(text)
  await waitFor(() => client.received().endsWith(text), { describe: `the echo of "${text}"` })
}

/** Gives everything that is under way on the loopback time to arrive: another connection's whole round trip. */
async function settle(url: string): Promise<void> {
  const direct = await openClient(Number(new URL(url).port))
  for (let round = 0; round < 5; round += 1) await expectEcho(direct, 'settle')
}

describe('a TCP proxy', () => {
  test('passes bytes and the end of a stream in both directions, under the target’s URL with its own address', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    expect(proxy.url).toBe(`amqp://user:secret@127.0.0.1:${proxy.port}/vhost`)

    const client = await openClient(proxy.port)
    const big = 'x'.repeat(1_000_000)
    const ended = once(client.socket, 'end')
    client.socket.end(big)
    await ended
    expect(client.received()).toBe(big)
    await waitFor(() => proxy.connections === 0, { describe: 'the connection to be closed on all sides' })
    expect(echo.sockets.size).toBe(0)
    expect(proxy.acceptedConnections).toBe(1)
  })

  test('cut resets all connections on both sides and passes new ones on', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const clients = [await openClient(proxy.port), await openClient(proxy.port)]
    for (const client of clients) await expectEcho(client, 'before')
    expect(proxy.connections).toBe(2)

    proxy.cut()

    await waitFor(() => clients.every((client) => client.socket.destroyed), { describe: 'both clients to be cut' })
    expect(clients.map((client) => client.error()?.code)).toEqual(['ECONNRESET', 'ECONNRESET'])
    await waitFor(() => echo.sockets.size === 0, { describe: 'the target to see it' })
    expect(proxy.connections).toBe(0)
    await expectEcho(await openClient(proxy.port), 'after')
  })

  test('stall holds everything back without closing anything, and resume delivers it', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    await expectEcho(client, 'before')

    proxy.stall()
    client.socket.write('during')
    const newcomer = await openClient(proxy.port)
    newcomer.socket.write('hello')
    await settle(echo.url)
    expect(client.received()).toBe('before')
    expect(newcomer.received()).toBe('')
    expect(client.socket.destroyed).toBe(false)

    proxy.resume()
    await waitFor(() => client.received() === 'beforeduring', { describe: 'what was held back' })
    await waitFor(() => newcomer.received() === 'hello', { describe: 'what the newcomer sent' })
  })

  test('stop ends connections that are stalled', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    proxy.stall()
    client.socket.write('held back')
    await proxy.stop()
    await proxy.stop()
    await waitFor(() => client.socket.destroyed, { describe: 'the client to be cut' })
    await expect(openClient(proxy.port)).rejects.toThrow('ECONNREFUSED')
  })

  test('halfOpen drops the target’s side and leaves the client’s side open and silent', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    await expectEcho(client, 'before')

    proxy.halfOpen()
    await waitFor(() => echo.sockets.size === 0, { describe: 'the target’s side to be dropped' })
    client.socket.write('into the void')
    await settle(echo.url)
    expect(client.received()).toBe('before')
    expect(client.socket.destroyed).toBe(false)
    expect(client.error()).toBeUndefined()
    expect(proxy.connections).toBe(1)

    await expectEcho(await openClient(proxy.port), 'a new connection works')
    client.socket.destroy()
  })

  test('throttle slows a connection down to the rate that is set, and lifting it lets the rest through', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    proxy.throttle(20_000)
    const start = performance.now()
    client.socket.write('x'.repeat(4_000))
    await waitFor(() => client.received().length === 4_000, { describe: 'all of it' })
    expect(performance.now() - start).toBeGreaterThan(150)

    proxy.throttle(undefined)
    client.socket.write('y'.repeat(400_000))
    await waitFor(() => client.received().length === 404_000, { describe: 'the rest, unthrottled', timeoutMs: 10_000 })
  })

  test('refuse turns new connections away and keeps open ones; accept takes them again on the same port', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    await expectEcho(client, 'before')

    proxy.refuse()
    await expect(openClient(proxy.port)).rejects.toThrow('ECONNREFUSED')
    await expectEcho(client, 'still here')

    await proxy.accept()
    await proxy.accept()
    await expectEcho(await openClient(proxy.port), 'again')
  })

  test('resets a client when the target does not answer or goes away', async () => {
    const echo = await startEcho()
    const proxy = await startProxy(echo.url)
    const client = await openClient(proxy.port)
    await expectEcho(client, 'before')
    for (const socket of echo.sockets) socket.resetAndDestroy()
    await waitFor(() => client.error()?.code === 'ECONNRESET', { describe: 'the client to see the reset' })

    await new Promise((resolve) => {
      echo.server.close(resolve)
    })
    const late = await openClient(proxy.port)
    await waitFor(() => late.socket.destroyed, { describe: 'a client of a dead target to be cut' })
  })

  test.each(['not a url', '/var/run/socket', 'foo://host'])('refuses the target %j', async (target) => {
    await expect(startTcpProxy({ target })).rejects.toThrow('must be a URL with a host and a port')
  })
})

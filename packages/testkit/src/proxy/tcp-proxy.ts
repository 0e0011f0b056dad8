import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

import { createProxyLink, type ProxyLink } from './proxy-link.ts'
import { createTrafficGate } from './traffic-gate.ts'

/** Options of `startTcpProxy`. */
export interface TcpProxyOptions {
  /** Where connections are passed on to: a URL with a host and a port, of whatever protocol over TCP. */
  readonly target: string
}

/** A TCP proxy on a loopback port that can do to connections what networks do. */
export interface TcpProxy {
  /** The target's URL with the proxy's address in place of the target's. */
  readonly url: string
  readonly port: number
  /** Connections that clients have open through the proxy. */
  readonly connections: number
  /** Connections that clients have opened since the start. */
  readonly acceptedConnections: number
  /** Resets all connections, seen by both sides at once: a crashed process. New ones are passed on. */
  cut(): void
  /** Lets nothing through in either direction, no closing either: a dead network. New connections are accepted. */
  stall(): void
  /** Ends a stall; what was sent meanwhile arrives. */
  resume(): void
  /**
   * Drops the target's side of all connections and leaves the clients' side open and silent for ever: a firewall that
   * forgot them. New connections are passed on.
   */
  halfOpen(): void
  /** Limits each direction of each connection; undefined lifts the limit. */
  throttle(bytesPerSecond: number | undefined): void
  /** Refuses new connections, as when nothing listens; open ones go on. */
  refuse(): void
  /** Accepts connections again, on the same port. */
  accept(): Promise<void>
  /** Closes everything. Safe to call again. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'amqp:': 5672,
  'postgres:': 5432,
  'postgresql:': 5432,
  'http:': 80,
  'ws:': 80,
  'https:': 443,
  'wss:': 443,
}

/**
 * Starts a proxy in front of a service, to test what its clients do when the network fails.
 * @throws TypeError when the target is not a URL with a host and a port.
 */
export async function startTcpProxy({ target }: TcpProxyOptions): Promise<TcpProxy> {
  const address = parseTarget(target)
  const gate = createTrafficGate()
  const links = new Set<ProxyLink>()
  let acceptedConnections = 0
  let server = await listen(0, onConnection)
  const { port } = server.address() as AddressInfo

  function onConnection(client: Socket): void {
    acceptedConnections += 1
    const link = createProxyLink(client, connect({ ...address, allowHalfOpen: true }), gate)
    links.add(link)
    void link.closed.then(() => links.delete(link))
  }

  function refuse(): void {
    if (!server.listening) return
    // Not waiting for "close", which comes only when the last connection has ended.
    server.close()
  }

  const url = new URL(target)
  url.hostname = HOST
  url.port = String(port)
  return {
    url: url.href,
    port,
    get connections() {
      return links.size
    },
    get acceptedConnections() {
      return acceptedConnections
    },
    cut: () => links.forEach((link) => link.cut()),
    stall: () => gate.stall(),
    resume: () => gate.resume(),
    halfOpen: () => links.forEach((link) => link.dropTarget()),
    throttle: (bytesPerSecond) => gate.throttle(bytesPerSecond),
    refuse,
    async accept() {
      if (!server.listening) server = await listen(port, onConnection)
    },
    async stop() {
      refuse()
      const closed = [...links].map((link) => link.closed)
      links.forEach((link) => link.cut())
      await Promise.all(closed)
    },
  }
}

async function listen(port: number, onConnection: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onConnection)
  server.listen(port, HOST)
  await once(server, 'listening')
  return server
}

function parseTarget(target: string): { host: string; port: number } {
  const url = URL.parse(target)
  const port = Number(url?.port || DEFAULT_PORTS[url?.protocol ?? ''])
  if (url === null || url.hostname === '' || !(port > 0)) {
    throw new TypeError(`The proxy's target must be a URL with a host and a port, not ${JSON.stringify(target)}.`)
  }
  return { host: url.hostname, port }
}

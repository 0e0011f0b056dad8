import { type Channel, connect } from 'amqplib'
import { afterEach } from 'vitest'

import {
  type Broker,
  type BrokerOptions,
  createBroker,
  createLogger,
  createTopology,
  type OutgoingMessage,
} from '@blockmill/core'
import { startTcpProxy, type TcpProxy } from '@blockmill/testkit'

/** A line of a log, parsed. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly role?: string
  readonly url?: string
  readonly reason?: string
  readonly retryInMs?: number
}

/** A broker client under test, and what it logged. */
export interface Client {
  readonly broker: Broker
  readonly log: readonly LogLine[]
}

/** Makes broker clients for the tests of a file, not started, and stops them after each test. */
export function brokerClients(defaults: {
  url: string
  namespace: string
}): (options?: Partial<BrokerOptions>) => Client {
  const open: Broker[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((broker) => broker.stop()))
  })
  return (options = {}) => {
    const log: LogLine[] = []
    const broker = createBroker({
      url: defaults.url,
      topology: createTopology({ namespace: defaults.namespace }),
      logger: createLogger({
        service: 'test',
        destination: { write: (line) => void log.push(JSON.parse(line) as LogLine) },
      }),
      connectionName: 'test',
      reconnect: { minMs: 10, maxMs: 100 },
      stopTimeoutMs: 2_000,
      ...options,
    })
    open.push(broker)
    return { broker, log }
  }
}

/**
 * Makes TCP proxies for the tests of a file, and stops them after each test. Call it before `brokerClients`: what is
 * registered later ends first.
 */
export function tcpProxies(target: string): () => Promise<TcpProxy> {
  const open: TcpProxy[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((proxy) => proxy.stop()))
  })
  return async () => {
    const proxy = await startTcpProxy({ target })
    open.push(proxy)
    return proxy
  }
}

/** Runs something on a channel of its own, past the client under test. */
export async function onChannel<Result>(url: string, run: (channel: Channel) => Promise<Result>): Promise<Result> {
  const connection = await connect(url)
  try {
    return await run(await connection.createChannel())
  } finally {
    await connection.close()
  }
}

/** A task for a work queue; the body is its id. */
export function taskTo(broker: Broker, queue: string, id: string): OutgoingMessage {
  const { topology } = broker
  return {
    exchange: topology.exchanges.tasks,
    routingKey: topology.taskKey(queue, 'normal'),
    type: 'test',
    messageId: id,
    body: Buffer.from(id),
  }
}

/** `prefix0`, `prefix1`, … */
export function ids(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

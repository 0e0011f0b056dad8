import { type Channel, connect } from 'amqplib'

import { RetryableError } from '../errors/blockmill-error.ts'
import { DEFAULT_QUEUE } from '../task/queue-name.ts'
import { connectRefusal } from './broker-refusal.ts'
import { parseBrokerUrl } from './broker-url.ts'
import { declareAll, declareOn, listDeclarations } from './declare.ts'
import { readTlsOptions } from './tls-options.ts'
import type { Topology } from './topology.ts'

/** What of a channel of amqplib is used. */
export type DeclaringChannel = Pick<Channel, 'assertExchange' | 'assertQueue' | 'bindQueue' | 'on' | 'off'>

export interface AssertTopologyOptions {
  /** Logical queues to declare the work queues of. Default `default`. */
  readonly queues?: readonly string[]
}

const CONNECT_TIMEOUT_MS = 10_000

/**
 * Declares everything that a producer of tasks publishes to: the exchanges, the monitor's queue, and the work queues of the
 * logical queues it uses. What is there already with the same arguments stays as it is. For programs that publish task
 * messages by an AMQP client of their own; the services of Blockmill declare what they need by themselves.
 *
 * A broker closes the channel on which something was refused, so a channel that is given is of no more use then.
 *
 * @param target an open channel of amqplib, or the URL of the broker for a connection just for this.
 * @throws ConfigurationError `BROKER_TOPOLOGY_MISMATCH` naming the queue or exchange that exists with other arguments, and
 * what to do; `BROKER_REFUSED`, `TLS_REFUSED` or `CONFIG_INVALID` for credentials, virtual host, permissions, certificates or URL; RetryableError
 * `BROKER_UNREACHABLE` when the broker cannot be reached.
 */
export async function assertTopology(
  target: DeclaringChannel | string,
  topology: Topology,
  { queues = [DEFAULT_QUEUE] }: AssertTopologyOptions = {},
): Promise<void> {
  const parts = [topology.base(), ...queues.map((queue) => topology.work(queue))].map(listDeclarations)
  if (typeof target === 'string') {
    await withConnection(target, async (connection) => {
      // One by one: who may not declare the exchanges may still be one who declares work queues.
      for (const declarations of parts) await declareOn(connection, declarations)
    })
    return
  }
  // A refusal is thrown by the operation that caused it; without a listener the event would end the connection.
  const ignore = (): void => {}
  target.on('error', ignore)
  try {
    await declareAll(target, parts.flat())
  } finally {
    target.off('error', ignore)
  }
}

async function withConnection(
  url: string,
  run: (connection: Awaited<ReturnType<typeof connect>>) => Promise<void>,
): Promise<void> {
  const broker = parseBrokerUrl(url)
  const socketOptions = { noDelay: true, timeout: CONNECT_TIMEOUT_MS, ...readTlsOptions(broker.tls) }
  const connection = await connect(broker.connect, socketOptions).catch((cause: unknown) => {
    throw connectRefusal(cause, broker) ?? unreachable(broker.redacted, cause)
  })
  connection.on('error', () => {})
  try {
    await run(connection)
  } finally {
    // When it has ended by itself, that is what was thrown.
    await connection.close().catch(() => {})
  }
}

function unreachable(url: string, cause: unknown): RetryableError {
  const why = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new RetryableError('BROKER_UNREACHABLE', `The broker at ${url} could not be reached: ${why}.`, { cause })
}

import type { Channel, ChannelModel } from 'amqplib'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import { declareRefusal, REPLY_CODES, replyCode } from './broker-refusal.ts'
import { closeChannel } from './close-channel.ts'
import type { BindingDeclaration, Declarations, ExchangeDeclaration, QueueDeclaration } from './topology.ts'

/** One thing to declare. */
export type Declaration =
  | ({ readonly kind: 'exchange' } & ExchangeDeclaration)
  | ({ readonly kind: 'queue' } & QueueDeclaration)
  | ({ readonly kind: 'binding' } & BindingDeclaration)

type Declarer = Pick<Channel, 'assertExchange' | 'assertQueue' | 'bindQueue'>

/** The single declarations, in the order the broker needs: exchanges, queues, bindings. */
export function listDeclarations({ exchanges, queues, bindings }: Declarations): readonly Declaration[] {
  return [
    ...exchanges.map((exchange) => ({ kind: 'exchange', ...exchange }) as const),
    ...queues.map((queue) => ({ kind: 'queue', ...queue }) as const),
    ...bindings.map((binding) => ({ kind: 'binding', ...binding }) as const),
  ]
}

/** What tells two declarations apart. Arguments are part of it: another queue under the same name must reach the broker. */
export function declarationKey(declaration: Declaration): string {
  return JSON.stringify(declaration)
}

/**
 * Declares on a channel of its own, since a refusal closes the channel. Exchanges and queues that this user may not declare must
 * be there already, declared by somebody who may: then all of them are only looked for. Bindings cannot be, and are taken for
 * granted. Who may declare the queues must also be allowed to bind them: a binding that is missing would lose messages.
 *
 * @throws ConfigurationError `BROKER_TOPOLOGY_MISMATCH` or `BROKER_REFUSED`; RetryableError `BROKER_UNREACHABLE` for other
 * refusals; the library's error when the connection ends.
 */
export async function declareOn(connection: ChannelModel, declarations: Iterable<Declaration>): Promise<void> {
  const all = [...declarations]
  const bindings = all.filter(({ kind }) => kind === 'binding')
  const ends = all.filter(({ kind }) => kind !== 'binding')
  let areEndsDeclared = false
  try {
    await onOwnChannel(connection, async (channel) => {
      await declareAll(channel, ends)
      areEndsDeclared = true
      await declareAll(channel, bindings)
    })
  } catch (error) {
    if (areEndsDeclared || !isForbidden(error)) throw error
    try {
      await onOwnChannel(connection, (channel) => checkAll(channel, ends))
    } catch (missing) {
      throw replyCode(missing) === REPLY_CODES.notFound ? error : missing
    }
  }
}

async function onOwnChannel(connection: ChannelModel, work: (channel: Channel) => Promise<void>): Promise<void> {
  const channel = await connection.createChannel()
  // A refusal is thrown by the operation that caused it; without a listener the event would end the connection.
  channel.on('error', () => {})
  await work(channel)
  await closeChannel(channel)
}

function isForbidden(error: unknown): boolean {
  return error instanceof ConfigurationError && replyCode(error.cause) === REPLY_CODES.accessRefused
}

/** Asking whether something is there needs no permission. */
async function checkAll(channel: Channel, declarations: readonly Declaration[]): Promise<void> {
  for (const declaration of declarations) {
    if (declaration.kind === 'exchange') await channel.checkExchange(declaration.name)
    if (declaration.kind === 'queue') await channel.checkQueue(declaration.name)
  }
}

/**
 * Declares on a channel that is there. A refusal closes it.
 *
 * @throws as `declareOn` does.
 */
export async function declareAll(channel: Declarer, declarations: Iterable<Declaration>): Promise<void> {
  for (const declaration of declarations) {
    try {
      await declareOne(channel, declaration)
    } catch (error) {
      throw declareRefusal(error, declaration) ?? error
    }
  }
}

async function declareOne(channel: Declarer, declaration: Declaration): Promise<unknown> {
  switch (declaration.kind) {
    case 'exchange':
      return await channel.assertExchange(declaration.name, declaration.type, {
        durable: true,
        arguments: declaration.arguments,
      })
    case 'queue':
      return await channel.assertQueue(declaration.name, { durable: true, arguments: declaration.arguments })
    case 'binding':
      return await channel.bindQueue(declaration.queue, declaration.exchange, declaration.pattern)
    default:
      return declaration satisfies never
  }
}

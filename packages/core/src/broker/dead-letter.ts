import type { Delivery } from './consumer.ts'
import type { OutgoingMessage } from './publisher.ts'
import type { Topology } from './topology.ts'

/** Why a worker, or the monitor, put a message on the dead queue: it could not even be tried, or not be recorded. */
export const DEAD_REASONS = [
  'invalid_message',
  'unknown_task',
  'unknown_chain',
  'invalid_args',
  'not_recordable',
] as const
export type DeadReason = (typeof DEAD_REASONS)[number]

/**
 * Headers of a message that a worker or the monitor put on the dead queue. The body is the message as it came. Messages that the broker
 * put there itself, because they were over the delivery limit, have its `x-death` headers instead.
 */
export const DEAD_HEADERS = {
  /** One of `DEAD_REASONS`. */
  reason: 'x-blockmill-reason',
  /** What was wrong, for a person to read. */
  error: 'x-blockmill-error',
  /** The queue it was taken from. */
  queue: 'x-blockmill-queue',
  /** The worker that gave it up. */
  worker: 'x-blockmill-worker',
} as const

/** Error texts travel in a header, and a broker's frame holds all headers at once. */
const MAX_HEADER_TEXT = 2_000

/** Why a delivery goes to the dead queue. */
export interface Burial {
  readonly reason: DeadReason
  /** What is wrong, for a person to read; cut after 2,000 characters. */
  readonly error: string
  /** The worker that gives it up. */
  readonly worker?: string
  /** The part of the message that is meant. Default: all of it, as it came. */
  readonly body?: Buffer
}

/** The message that puts a delivery on the dead queue. */
export function deadLetter(
  { exchanges }: Topology,
  delivery: Pick<Delivery, 'routingKey' | 'body' | 'type' | 'messageId' | 'queue'>,
  { reason, error, worker, body = delivery.body }: Burial,
): OutgoingMessage {
  return {
    exchange: exchanges.dead,
    routingKey: delivery.routingKey,
    body,
    type: delivery.type ?? 'unknown',
    ...(delivery.messageId !== undefined && { messageId: delivery.messageId }),
    // Only these: the broker's own x-death headers, sent back to it, make it see cycles where there are none.
    headers: {
      [DEAD_HEADERS.reason]: reason,
      [DEAD_HEADERS.error]: error.slice(0, MAX_HEADER_TEXT),
      [DEAD_HEADERS.queue]: delivery.queue,
      ...(worker !== undefined && { [DEAD_HEADERS.worker]: worker }),
    },
  }
}

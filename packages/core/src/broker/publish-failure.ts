import { NonRetryableError, RetryableError } from '../errors/blockmill-error.ts'
import type { OutgoingMessage } from './publisher.ts'

/** A message as a person needs it to find it. */
function describe({ type, messageId, exchange, routingKey }: OutgoingMessage): string {
  return `${type}${messageId === undefined ? '' : ` ${messageId}`} to exchange "${exchange}" with key "${routingKey}"`
}

/** The publisher stopped first. */
export function stopped(): RetryableError {
  return new RetryableError(
    'BROKER_PUBLISH_FAILED',
    'The publisher was stopped before the broker confirmed the message; it may have arrived or not. Publish it again under the same id.',
  )
}

/** The broker gave it back, because it was mandatory and no queue took it. */
export function unroutable(message: OutgoingMessage, reason: string): RetryableError {
  return new RetryableError(
    'BROKER_PUBLISH_FAILED',
    `The broker returned ${describe(message)} as unroutable (${reason}): no queue is bound for that key. Declare the queue first.`,
  )
}

/** The broker refused the message: a queue that it goes to is full, or not available. Its code is `BROKER_PUBLISH_FAILED`. */
export class MessageRefusedError extends RetryableError {}

/** The broker sent `basic.nack`, again and again unless the message is to be published once. */
export function refused(message: OutgoingMessage, times: number): MessageRefusedError {
  return new MessageRefusedError(
    'BROKER_PUBLISH_FAILED',
    `The broker refused ${describe(message)} ${times === 1 ? 'once' : `${times} times`}: a queue it goes to is full or not available. See the broker's log and the queue's length limit.`,
  )
}

/** The broker closed the channel whenever it was published. */
export function closedChannel(message: OutgoingMessage, cause: Error): RetryableError {
  return new RetryableError(
    'BROKER_PUBLISH_FAILED',
    `The broker closed the channel because of ${describe(message)}: ${cause.message}`,
    { cause },
  )
}

/** The library could not write it: its headers are too large or of a type that AMQP does not have. */
export function unencodable(message: OutgoingMessage, cause: unknown): NonRetryableError {
  return new NonRetryableError(
    'BROKER_PUBLISH_FAILED',
    `AMQP cannot carry ${describe(message)}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  )
}

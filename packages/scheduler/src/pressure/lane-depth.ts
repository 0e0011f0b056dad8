import { type Broker, RetryableError } from '@blockmill/core'

/**
 * Messages that wait in a lane: in a work queue of the broker.
 *
 * @throws RetryableError `BROKER_UNREACHABLE`; `BROKER_PUBLISH_FAILED` when the queue is gone. All that is published to it would
 * be parked then, and nothing would ever call it full.
 */
export async function laneDepth(broker: Pick<Broker, 'depth'>, queue: string): Promise<number> {
  const depth = await broker.depth(queue)
  if (depth !== undefined) return depth.messages
  throw new RetryableError(
    'BROKER_PUBLISH_FAILED',
    `The queue "${queue}" is not on the broker, or not available, so no worker would get what is scheduled. Start a worker that serves it, or restart the scheduler: both declare it.`,
  )
}

import { type Broker, type Logger, MessageRefusedError, type RateLimit, type RateLimited } from '@blockmill/core'
import type { AcquirePermit } from './global-limiter.ts'

/** The `type` property of the messages that count starts. Nobody reads them. */
const PERMIT_MESSAGE_TYPE = 'blockmill.permit.v1'

export interface PermitQueueOptions {
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'declare'>
  readonly limited: RateLimited
  readonly limit: RateLimit
  readonly logger: Logger
}

/**
 * Permits by a queue that nobody consumes. It holds one message for each start of the last window: it takes `limit` of them and
 * refuses more, and each expires when its window is over. So the broker itself counts, in one place and one step. Nothing can
 * be left wrong: a worker that is killed leaves messages that expire, and there is nothing to mint or to give back.
 */
export function createPermitQueue({ broker, limited, limit, logger }: PermitQueueOptions): AcquirePermit {
  const { topology, publisher } = broker
  const routingKey = topology.rateQueue(limited, limit)
  const message = {
    exchange: '',
    routingKey,
    body: Buffer.from('{}'),
    type: PERMIT_MESSAGE_TYPE,
    // A queue that was deleted must not allow everything.
    mandatory: true,
    once: true,
  }

  return async function acquire(): Promise<boolean> {
    try {
      await broker.declare(topology.rate(limited, limit))
      await publisher.publish(message)
      return true
    } catch (error) {
      if (!(error instanceof MessageRefusedError)) {
        logger.warn({ err: error, queue: routingKey }, 'a start could not be counted; the task waits')
      }
      return false
    }
  }
}

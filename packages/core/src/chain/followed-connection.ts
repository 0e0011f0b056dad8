import type { Logger } from '../observability/logger.ts'
import type { ChainConnection } from './chain-connection.ts'
import type { ChainSource } from './chain-source.ts'
import type { RpcSubscription } from './json-rpc-socket.ts'
import { answerOf } from './rpc-failure.ts'
import { createWakeUps } from './wake-ups.ts'

/** What sources of all kinds of chains do alike with their connection. */
export interface FollowedConnection extends Pick<
  ChainSource,
  'start' | 'genesisHash' | 'wakeUps' | 'isHealthy' | 'reset' | 'close'
> {
  /** The connection underneath, for the access of task code in the same process. Closed by the source. */
  readonly connection: ChainConnection
}

export interface FollowedConnectionOptions {
  readonly connection: ChainConnection
  /** What wakes up who listens: each value may mean a new head. */
  readonly subscriptions: readonly RpcSubscription[]
  readonly logger: Logger
}

const METHOD_NOT_FOUND = -32_601

/** Wakes up at each new connection, whatever happened before it, and at each value of the subscriptions on it. */
export function followConnection({ connection, subscriptions, logger }: FollowedConnectionOptions): FollowedConnection {
  const wakeUps = createWakeUps()
  connection.onConnected((socket) => {
    wakeUps.notify()
    for (const subscription of subscriptions) {
      socket
        .subscribe(subscription, () => wakeUps.notify())
        .catch((error: unknown) => {
          // Polling goes on without the hint. HTTP never has it, nor have some nodes: that is nothing to warn of.
          if (answerOf(error)?.code !== METHOD_NOT_FOUND)
            logger.warn({ err: error, method: subscription.subscribe }, 'cannot subscribe to new heads')
        })
    }
  })
  return {
    connection,
    start: (signal) => connection.start(signal),
    genesisHash: () => connection.genesisHash(),
    wakeUps: (signal) => wakeUps.listen(signal),
    isHealthy: () => connection.isHealthy(),
    reset: (reason) => connection.reset(reason),
    async close() {
      wakeUps.end()
      await connection.close()
    },
  }
}

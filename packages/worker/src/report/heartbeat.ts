import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  type Broker,
  HEARTBEAT_MESSAGE_TYPE,
  heartbeatCodec,
  type Heartbeat as HeartbeatMessage,
  type Logger,
} from '@blockmill/core'
import { type Attempt, attemptFacts } from '../execute/attempt.ts'
import { isoTime } from '../settle/settlement-plan.ts'

export type { HeartbeatMessage }

/** Tells the monitor that a worker lives and what it runs. */
export interface Heartbeat {
  /** Sends one at once, and then one at each interval. */
  start(): void
  /** Sends the last one, which says that the worker stops by itself. */
  stop(): Promise<void>
  /** What a heartbeat would say now. */
  snapshot(): HeartbeatMessage
}

export interface HeartbeatOptions {
  readonly worker: string
  readonly queues: readonly string[]
  readonly concurrency: number
  readonly intervalMs: number
  readonly broker: Pick<Broker, 'topology' | 'publisher' | 'isReady'>
  readonly running: readonly Attempt[]
  readonly logger: Logger
  readonly now: () => number
}

export function createHeartbeat({
  worker,
  queues,
  concurrency,
  intervalMs,
  broker,
  running,
  logger,
  now,
}: HeartbeatOptions): Heartbeat {
  const startedAt = isoTime(now())
  const loopDelay = monitorEventLoopDelay({ resolution: 20 })
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> | undefined

  const snapshot = (stopping: boolean): HeartbeatMessage => ({
    v: 1,
    worker,
    sentAt: isoTime(now()),
    startedAt,
    host: hostname(),
    pid: process.pid,
    queues: [...queues],
    concurrency,
    stopping,
    running: running.map(runningTask),
    rssBytes: process.memoryUsage.rss(),
    eventLoopLagMs: loopLagMs(),
  })

  const send = async (stopping: boolean): Promise<void> => {
    const body = heartbeatCodec.encode(snapshot(stopping))
    const routingKey = broker.topology.eventKey('heartbeat')
    try {
      await broker.publisher.publish({
        exchange: broker.topology.exchanges.events,
        routingKey,
        body,
        type: HEARTBEAT_MESSAGE_TYPE,
      })
    } catch (error) {
      // Another one follows, and the broker client reports the broker's own troubles.
      logger.debug({ err: error }, 'heartbeat was not taken by the broker')
    }
  }

  const loopLagMs = (): number => {
    // The histogram measures a timer of 20 ms; what is above that is lag. It is empty until the first tick.
    const lagMs = loopDelay.count === 0 ? 0 : Math.max(0, loopDelay.max / 1e6 - 20)
    loopDelay.reset()
    return Math.round(lagMs * 10) / 10
  }

  const beat = (): void => {
    // While one waits for the broker, further ones would only queue up behind it with older and older news.
    underWay ??= send(false).finally(() => {
      underWay = undefined
    })
  }

  return {
    start() {
      loopDelay.enable()
      beat()
      timer = setInterval(beat, intervalMs)
    },
    async stop() {
      clearInterval(timer)
      loopDelay.disable()
      if (broker.isReady()) await send(true)
    },
    snapshot: () => snapshot(false),
  }
}

function runningTask(attempt: Attempt) {
  return { ...attemptFacts(attempt), startedAt: isoTime(attempt.startedAtMs) }
}

import type { Broker, Delivery, Lane, Subscription } from '@blockmill/core'

/** The consumers of a worker, one for each of its lanes of each of its queues. */
export interface LaneConsumers {
  /** Declares the queues, and consumes the lanes that are not paused. */
  start(): Promise<void>
  /** Consumes a lane, or stops to, as `isPaused` says now. Failures heal by themselves. Does nothing before the start. */
  update(queue: string, lane: Lane): Promise<void>
  /** Stops new deliveries for good; those not settled yet may still be settled. Idempotent. */
  pause(): Promise<void>
  /** Ends the consumers. What is not settled goes back. */
  close(): Promise<void>
}

export interface LaneConsumersOptions {
  readonly broker: Pick<Broker, 'topology' | 'declare' | 'consume'>
  readonly queues: readonly string[]
  readonly lanes: readonly Lane[]
  readonly prefetch: number
  readonly isPaused: (queue: string, lane: Lane) => boolean
  readonly onDelivery: (delivery: Delivery) => void
  readonly onLost: () => void
  /** The consumer of this broker queue runs no more, because the lane is paused. */
  readonly onPaused: (brokerQueue: string) => void
}

interface LaneConsumer {
  readonly queue: string
  readonly lane: Lane
  subscription: Subscription | undefined
  isConsuming: boolean
  /** One change after the other: each looks at what is wanted when its turn comes. */
  changing: Promise<void>
}

export function createLaneConsumers({
  broker,
  queues,
  lanes,
  prefetch,
  isPaused,
  onDelivery,
  onLost,
  onPaused,
}: LaneConsumersOptions): LaneConsumers {
  const consumers = queues.flatMap((queue) => lanes.map((lane) => newConsumer(queue, lane)))
  let isStarted = false
  let isEnding = false

  async function change(consumer: LaneConsumer): Promise<void> {
    if (isEnding) return
    const { queue, lane } = consumer
    const isWanted = !isPaused(queue, lane)
    const brokerQueue = broker.topology.workQueue(queue, lane)
    if (isWanted && !consumer.isConsuming) {
      consumer.isConsuming = true
      if (consumer.subscription === undefined) {
        const subscription = await broker.consume({ queue: brokerQueue, prefetch, onDelivery, onLost })
        consumer.subscription = subscription
        if (isEnding) await subscription.close()
      } else await consumer.subscription.resume()
    } else if (!isWanted) {
      consumer.isConsuming = false
      await consumer.subscription?.pause()
      // It may have been resumed meanwhile; then the next change consumes again.
      onPaused(brokerQueue)
    }
  }

  function enqueueChange(consumer: LaneConsumer): Promise<void> {
    const changed = consumer.changing.then(() => change(consumer))
    consumer.changing = changed.catch(() => {
      // Told to whoever asked for it. The broker client ends waiting only when it stops.
    })
    return changed
  }

  return {
    async start() {
      for (const queue of queues) await broker.declare(broker.topology.work(queue))
      isStarted = true
      for (const consumer of consumers) await enqueueChange(consumer)
    },
    async update(queue, lane) {
      const consumer = consumers.find((one) => one.queue === queue && one.lane === lane)
      if (isStarted && consumer !== undefined) await enqueueChange(consumer)
    },
    async pause() {
      isEnding = true
      await Promise.all(consumers.map(async ({ subscription }) => subscription?.pause()))
    },
    async close() {
      isEnding = true
      await Promise.all(consumers.map(async ({ subscription }) => subscription?.close()))
    },
  }
}

function newConsumer(queue: string, lane: Lane): LaneConsumer {
  return { queue, lane, subscription: undefined, isConsuming: false, changing: Promise.resolve() }
}

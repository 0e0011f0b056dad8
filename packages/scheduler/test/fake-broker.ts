import { type Broker, createTopology, type TaskMessage, taskMessageCodec } from '@blockmill/core'

/** A broker that keeps what is published in memory, and confirms it when a test lets it. */
export interface FakeBroker extends Pick<Broker, 'publisher' | 'topology' | 'depth'> {
  readonly messages: readonly TaskMessage[]
  /** Blocks of the messages of one task, in the order in which they were published. */
  blocks(task: string): number[]
  /** With `false`, messages are no longer confirmed until it is `true` again. */
  confirm(enabled: boolean): void
  /** Makes the next publishes fail. */
  failNext(times: number, error: Error): void
  /** What `depth` answers. */
  setDepth(messages: number): void
}

export function createFakeBroker(): FakeBroker {
  const topology = createTopology()
  const messages: TaskMessage[] = []
  let confirms = Promise.withResolvers<void>()
  confirms.resolve()
  let failures: { left: number; error: Error } | undefined
  let ready = 0

  return {
    topology,
    messages,
    publisher: {
      async publish({ body, exchange, routingKey }) {
        if (failures !== undefined && failures.left > 0) {
          failures.left -= 1
          throw failures.error
        }
        const message = taskMessageCodec.decode(body)
        if (exchange !== topology.exchanges.tasks) throw new Error(`published on ${exchange}`)
        if (routingKey !== topology.taskKey(message.queue, message.lane))
          throw new Error(`published with ${routingKey}`)
        messages.push(message)
        await confirms.promise
      },
      async drained() {
        await Promise.resolve()
      },
      pending: 0,
    },
    depth: async () => ({ messages: ready, consumers: 0 }),

    blocks: (task) =>
      messages
        .filter((message) => message.task === task)
        .flatMap(({ items }) => items.map(({ block }) => block?.number ?? -1)),
    confirm(enabled) {
      if (enabled) confirms.resolve()
      else confirms = Promise.withResolvers()
    },
    failNext(times, error) {
      failures = { left: times, error }
    },
    setDepth(depth) {
      ready = depth
    },
  }
}

import {
  type Broker,
  type ConsumeOptions,
  createTopology,
  type Delivery,
  type OutgoingMessage,
  type Subscription,
} from '@blockmill/core'

import type { Message } from './message-arbitraries.ts'

/** A broker in memory, for what is decided about deliveries. */
export interface FakeBroker extends Pick<Broker, 'consume' | 'publisher' | 'topology' | 'isReady' | 'depth'> {
  /** Delivers messages of a queue, and returns what becomes of each. */
  deliver(queue: string, messages: readonly Message[], headers?: Delivery['headers']): FakeDelivery[]
  /** Ends the channel: what was delivered and not settled is stale. */
  cut(queue: string): void
  /** What was published. Each is confirmed when `confirm` is called. */
  readonly published: { readonly message: OutgoingMessage; confirm(): void }[]
  /** True from `pause` to `resume`. */
  isPaused(queue: string): boolean
}

export interface FakeDelivery {
  readonly isAcked: () => boolean
}

export function createFakeBroker({ confirms = true } = {}): FakeBroker {
  const consumers = new Map<string, ConsumeOptions>()
  const paused = new Set<string>()
  const unsettled = new Map<string, { isLive: boolean; acked: boolean }[]>()
  const published: FakeBroker['published'] = []
  return {
    topology: createTopology(),
    published,
    isReady: () => true,
    depth: () => Promise.resolve({ messages: 3, consumers: 1 }),
    publisher: {
      pending: 0,
      drained: () => Promise.resolve(),
      publish(message) {
        const { promise, resolve } = Promise.withResolvers<void>()
        published.push({ message, confirm: resolve })
        if (confirms) resolve()
        return promise
      },
    },
    consume(options) {
      consumers.set(options.queue, options)
      return Promise.resolve<Subscription>({
        queue: options.queue,
        setPrefetch: () => Promise.resolve(),
        pause: () => {
          paused.add(options.queue)
          return Promise.resolve()
        },
        resume: () => {
          paused.delete(options.queue)
          return Promise.resolve()
        },
        close: () => Promise.resolve(),
      })
    },
    deliver(queue, messages, headers = {}) {
      const consumer = consumers.get(queue)
      if (consumer === undefined) throw new Error(`nobody consumes ${queue}`)
      const channel = unsettled.get(queue) ?? []
      unsettled.set(queue, channel)
      return messages.map(({ type, body }) => {
        const one = { isLive: true, acked: false }
        channel.push(one)
        consumer.onDelivery({
          type,
          body,
          queue,
          headers,
          messageId: 'message-id',
          exchange: 'exchange',
          routingKey: 'key',
          redelivered: false,
          deliveryCount: 0,
          isLive: () => one.isLive,
          ack() {
            one.acked ||= one.isLive
          },
          ackUpTo() {
            if (!one.isLive) return
            for (const each of channel.slice(0, channel.indexOf(one) + 1)) each.acked ||= each.isLive
          },
          requeue: () => undefined,
          reject: () => undefined,
        })
        return { isAcked: () => one.acked }
      })
    },
    cut(queue) {
      for (const one of unsettled.get(queue) ?? []) one.isLive = false
      consumers.get(queue)?.onLost?.()
    },
    isPaused: (queue) => paused.has(queue),
  }
}

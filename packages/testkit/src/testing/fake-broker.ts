import {
  type Broker,
  type ConsumeOptions,
  createTopology,
  type Declarations,
  type ExchangeDeclaration,
  MessageRefusedError,
  type ListenOptions,
  type OutgoingMessage,
  type Publisher,
  RetryableError,
  type Subscription,
  type Topology,
} from '@blockmill/core'
import { type FakeConsumer, FakeQueue, type QueuedMessage } from './fake-queue.ts'

/**
 * A broker in memory, for tests of what talks to a broker: topic, direct, fanout and default exchanges, alternate exchanges,
 * queues with prefetch, requeue, length limit and message TTL, `mandatory`, and confirms that come later than the publish.
 * Nothing is delivered before something is declared, as on a real one.
 */
export interface FakeBroker extends Broker {
  /** Every message that was confirmed, in order. */
  readonly published: readonly OutgoingMessage[]
  /** What lies in a queue and is not out with a consumer. */
  ready(queue: string): readonly QueuedMessage[]
  /** How many messages consumers hold unsettled, over all queues. */
  readonly unsettled: number
  /**
   * Breaks the connections: every delivery becomes stale and its message goes back, nothing is delivered or confirmed until
   * `reconnect`.
   */
  cut(): void
  reconnect(): void
  /** Acks get lost from now on until the next cut: a connection that is dying, and nobody knows yet. */
  loseAcks(): void
  /** Asked before each confirm: an error that is returned rejects the publish; a promise holds the confirm back. */
  onPublish: (message: OutgoingMessage) => Error | undefined | Promise<void>
}

interface Exchange {
  readonly type: ExchangeDeclaration['type']
  readonly alternate: string | undefined
  readonly listeners: Set<ListenOptions>
  readonly bindings: { readonly pattern: string; readonly queue: FakeQueue }[]
}

interface Queue {
  readonly queue: FakeQueue
  readonly ttlMs: number | undefined
  /** More than so many messages are refused. */
  readonly maxLength: number
  readonly deadLetterExchange: string | undefined
}

interface Consuming {
  readonly queue: FakeQueue
  readonly consumer: FakeConsumer
  readonly onLost: (() => void) | undefined
  active: boolean
}

export function createFakeBroker({ topology = createTopology() }: { readonly topology?: Topology } = {}): FakeBroker {
  const exchanges = new Map<string, Exchange>()
  const queues = new Map<string, Queue>()
  const consumings = new Set<Consuming>()
  const published: OutgoingMessage[] = []
  const timers = new Set<NodeJS.Timeout>()
  let pending = 0
  let online = Promise.withResolvers<void>()
  let connected = true
  let acksArrive = true
  online.resolve()

  const declare = ({ exchanges: added, queues: addedQueues, bindings }: Declarations): void => {
    for (const { name, type, arguments: args } of added) {
      if (exchanges.has(name)) continue
      exchanges.set(name, {
        type,
        alternate: args?.['alternate-exchange'] as string | undefined,
        listeners: new Set(),
        bindings: [],
      })
    }
    for (const { name, arguments: args } of addedQueues) {
      if (queues.has(name)) continue
      queues.set(name, {
        queue: new FakeQueue(name, () => acksArrive),
        ttlMs: args['x-message-ttl'] as number | undefined,
        maxLength: (args['x-max-length'] as number | undefined) ?? Number.POSITIVE_INFINITY,
        deadLetterExchange: args['x-dead-letter-exchange'] as string | undefined,
      })
    }
    for (const { exchange, queue, pattern } of bindings) {
      const target = queues.get(queue)?.queue
      const source = exchanges.get(exchange)
      if (target === undefined || source === undefined) {
        throw new Error(`cannot bind ${queue} to ${exchange}: declare both first`)
      }
      if (!source.bindings.some((one) => one.queue === target && one.pattern === pattern)) {
        source.bindings.push({ pattern, queue: target })
      }
    }
  }

  /** The queues that a message goes to; none when it is unroutable. */
  const route = (name: string, routingKey: string): readonly FakeQueue[] => {
    // The default exchange: its key is the name of a queue.
    if (name === '') return [queues.get(routingKey)?.queue].filter((queue) => queue !== undefined)
    const exchange = exchanges.get(name)
    if (exchange === undefined) throw new Error(`no exchange ${name}`)
    const matching = exchange.bindings.filter(({ pattern }) => matches(exchange.type, pattern, routingKey))
    if (matching.length > 0) return [...new Set(matching.map(({ queue }) => queue))]
    return exchange.alternate === undefined ? [] : route(exchange.alternate, routingKey)
  }

  const enqueue = (message: OutgoingMessage): number => {
    const targets = route(message.exchange, message.routingKey)
    for (const target of targets) {
      const { ttlMs, deadLetterExchange, maxLength } = queues.get(target.name) as Queue
      if (target.ready.length >= maxLength) {
        throw new MessageRefusedError('BROKER_PUBLISH_FAILED', `${target.name} is full.`)
      }
      const queued: QueuedMessage = { ...message, deliveryCount: 0 }
      target.push(queued)
      if (ttlMs !== undefined) expire(target, queued, ttlMs, deadLetterExchange)
    }
    return targets.length
  }

  /** Tells those who listen. Like a queue, they take a message: for `mandatory`, it has arrived. */
  const tell = (message: OutgoingMessage): number => {
    const { type = 'topic', listeners = new Set<ListenOptions>() } = exchanges.get(message.exchange) ?? {}
    const hearing = [...listeners].filter(({ pattern = '#' }) => matches(type, pattern, message.routingKey))
    for (const { onMessage } of hearing) onMessage({ messageId: undefined, ...message })
    return hearing.length
  }

  const expire = (queue: FakeQueue, message: QueuedMessage, ttlMs: number, exchange: string | undefined): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      queue.ready.splice(queue.ready.indexOf(message), 1)
      if (exchange === undefined) return
      enqueue({
        ...message,
        exchange,
        headers: { ...message.headers, 'x-death': [{ queue: queue.name, reason: 'expired' }] },
      })
    }, ttlMs)
    timers.add(timer)
  }

  const publisher: Publisher = {
    async publish(message) {
      pending += 1
      try {
        await online.promise
        const verdict = await broker.onPublish(message)
        if (verdict instanceof Error) throw verdict
        await online.promise
        if (enqueue(message) + tell(message) === 0 && message.mandatory === true) {
          throw new RetryableError('BROKER_PUBLISH_FAILED', `No queue takes ${message.routingKey}.`)
        }
        published.push(message)
      } finally {
        pending -= 1
      }
    },
    drained: () => Promise.resolve(),
    get pending() {
      return pending
    },
  }

  const consume = ({ queue: name, prefetch, onDelivery, onLost }: ConsumeOptions): Subscription => {
    const found = queues.get(name)
    if (found === undefined) throw new Error(`no queue ${name}`)
    const { queue } = found
    const consumer: FakeConsumer = { onDelivery, prefetch, unsettled: new Set(), channel: {} }
    const consuming: Consuming = { queue, consumer, onLost, active: true }
    consumings.add(consuming)
    if (connected) queue.add(consumer)
    return {
      queue: name,
      async setPrefetch(value) {
        consumer.prefetch = value
        queue.deliver()
      },
      async pause() {
        consuming.active = false
        queue.remove(consumer)
      },
      async resume() {
        consuming.active = true
        if (connected) queue.add(consumer)
      },
      async close() {
        consumings.delete(consuming)
        queue.remove(consumer)
        queue.takeBack(consumer)
        queue.deliver()
      },
    }
  }

  const broker: FakeBroker = {
    topology,
    publisher,
    published,
    onPublish: () => undefined,
    start: async () => declare(topology.base()),
    declare: async (declarations) => {
      await online.promise
      declare(declarations)
    },
    consume: async (options) => {
      await online.promise
      return consume(options)
    },
    listen: async (options) => {
      await online.promise
      const exchange = exchanges.get(options.exchange)
      if (exchange === undefined) throw new Error(`no exchange ${options.exchange}`)
      exchange.listeners.add(options)
      options.onListening?.()
      return { close: async () => void exchange.listeners.delete(options) }
    },
    depth: async (name) => {
      const queue = queues.get(name)?.queue
      return queue && { messages: queue.ready.length, consumers: queue.consumers }
    },
    purge: async (name) => queues.get(name)?.queue.ready.splice(0).length,
    isReady: () => connected,
    async stop() {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
    ready: (name) => queues.get(name)?.queue.ready ?? [],
    get unsettled() {
      return [...consumings].reduce((sum, { consumer }) => sum + consumer.unsettled.size, 0)
    },
    cut() {
      connected = false
      acksArrive = true
      online = Promise.withResolvers()
      for (const { queue, consumer, onLost } of consumings) {
        queue.remove(consumer)
        queue.takeBack(consumer)
        onLost?.()
      }
    },
    loseAcks() {
      acksArrive = false
    },
    reconnect() {
      connected = true
      online.resolve()
      for (const { queue, consumer, active } of consumings) if (active) queue.add(consumer)
      for (const { listeners } of exchanges.values()) for (const { onListening } of listeners) onListening?.()
    },
  }
  return broker
}

function matches(type: ExchangeDeclaration['type'], pattern: string, routingKey: string): boolean {
  switch (type) {
    case 'fanout':
      return true
    case 'direct':
      return pattern === routingKey
    case 'topic':
      return matchesTopic(pattern, routingKey)
  }
}

/** `*` is one word, `#` any number of words, as in AMQP topics. */
function matchesTopic(pattern: string, routingKey: string): boolean {
  const match = (words: readonly string[], key: readonly string[]): boolean => {
    const [word, ...rest] = words
    if (word === undefined) return key.length === 0
    if (word === '#') return match(rest, key) || (key.length > 0 && match(words, key.slice(1)))
    return key.length > 0 && (word === '*' || word === key[0]) && match(rest, key.slice(1))
  }
  return match(pattern.split('.'), routingKey.split('.'))
}

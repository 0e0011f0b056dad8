import {
  CONTROL_MESSAGE_TYPE,
  type ControlMessage,
  controlMessageCodec,
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
  TASK_MESSAGE_TYPE,
  type TaskEvent,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { createFakeBroker, type FakeBroker } from '@blockmill/testkit'

/** A broker in memory that keeps what is published, and confirms it when a test lets it. */
export interface RecordingBroker extends FakeBroker {
  /** For workers, in the order in which they were published, confirmed or not. */
  readonly messages: readonly TaskMessage[]
  /** For the monitor alone: what went past it had to be announced in one of these before. */
  readonly announcements: readonly TaskMessage[]
  /** Events, and orders on the control exchange, in the order in which they were published. */
  readonly events: readonly TaskEvent[]
  readonly orders: readonly ControlMessage[]
  /** Blocks of the messages of one task, in that order. */
  blocks(task: string): number[]
  /** With `false`, messages are no longer confirmed until it is `true` again: all, or those to one exchange. */
  confirm(enabled: boolean, exchange?: string): void
  /** Makes the next publishes of tasks fail: all, or those to one exchange. */
  failNext(times: number, error: Error, exchange?: string): void
  /** What `depth` answers from now on: of this queue, or of all of which nothing else is said. */
  setDepth(messages: number, queue?: string): void
  /** How often `depth` was asked. */
  readonly depthRequests: number
}

export function createRecordingBroker(): RecordingBroker {
  const broker = createFakeBroker()
  const messages: TaskMessage[] = []
  const announcements: TaskMessage[] = []
  const announced = new Set<string>()
  const events: TaskEvent[] = []
  const orders: ControlMessage[] = []
  const withheld = new Map<string | undefined, PromiseWithResolvers<void>>()
  let failures: { left: number; error: Error; exchange: string | undefined } | undefined
  const depths = new Map<string | undefined, number>()
  let depthRequests = 0

  // Declared as soon as the test lets go of the event loop, and so before anything is published.
  void broker.declare(broker.topology.base())
  broker.onPublish = ({ exchange, body, type }) => {
    const confirmed = (withheld.get(exchange) ?? withheld.get(undefined))?.promise
    if (type === EVENT_MESSAGE_TYPE) events.push(...eventMessageCodec.decode(body).events)
    if (type === CONTROL_MESSAGE_TYPE) orders.push(controlMessageCodec.decode(body))
    if (type !== TASK_MESSAGE_TYPE) return confirmed
    const message = taskMessageCodec.decode(body)
    const isAnnouncement = exchange === broker.topology.exchanges.events
    if (isAnnouncement) for (const { id } of message.items) announced.add(id)
    if (exchange === broker.topology.exchanges.work && !message.items.every(({ id }) => announced.has(id))) {
      return new Error('a task went past the monitor before it was announced')
    }
    if (failures !== undefined && failures.left > 0 && (failures.exchange ?? exchange) === exchange) {
      failures.left -= 1
      return failures.error
    }
    const kept = isAnnouncement ? announcements : messages
    kept.push(message)
    return confirmed
  }

  const recording = Object.assign(broker, {
    messages,
    announcements,
    events,
    orders,
    depthRequests: 0,
    depth: async (queue: string) => {
      depthRequests += 1
      return { messages: depths.get(queue) ?? depths.get(undefined) ?? 0, consumers: 0 }
    },
    blocks: (task: string) =>
      messages
        .filter((message) => message.task === task)
        .flatMap(({ items }) => items.map(({ block }) => block?.number ?? -1)),
    confirm(enabled: boolean, exchange?: string) {
      if (!enabled) {
        withheld.set(exchange, withheld.get(exchange) ?? Promise.withResolvers())
        return
      }
      for (const [key, confirmed] of withheld) {
        if (exchange !== undefined && key !== exchange) continue
        withheld.delete(key)
        confirmed.resolve()
      }
    },
    failNext(times: number, error: Error, exchange?: string) {
      failures = { left: times, error, exchange }
    },
    setDepth(depth: number, queue?: string) {
      depths.set(queue, depth)
    },
  })
  return Object.defineProperty(recording, 'depthRequests', { get: () => depthRequests })
}

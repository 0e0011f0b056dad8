import { EVENT_MESSAGE_TYPE, type TaskEvent, type Topology } from '@blockmill/core'
import type { ConfirmedPublish } from './confirmed-publish.ts'

/** Events go out in batches of at most so many … */
const MAX_EVENTS = 200
/** … and at most so many bytes; a single event may be larger, because a result may be 256 KiB. */
const MAX_BYTES = 256_000
/** An event waits no longer than this, however slowly the broker confirms those before it. */
const MAX_WAIT_MS = 20

/** Publishes events in batches. */
export interface EventBatcher {
  /** Events that are not confirmed yet. */
  readonly pending: number
  /** @param onConfirmed called once the broker has the event. */
  add(event: TaskEvent, onConfirmed?: () => void): void
  /** Resolves when everything added so far is confirmed, or given up because the worker stops. */
  flush(): Promise<void>
}

export interface EventBatcherOptions {
  readonly worker: string
  readonly topology: Topology
  readonly publish: ConfirmedPublish
  readonly now: () => number
}

interface Batch {
  /** Encoded when they are added: sizes are exact, and a result that its handler changes later cannot spoil the batch. */
  readonly events: string[]
  readonly confirmed: (() => void)[]
  bytes: number
}

/**
 * Batches by what the broker can take. While no batch is under way, events go out at the end of the turn of the event loop,
 * so a single one does not wait for company. While one is under way, they gather until it is confirmed, the batch is full,
 * or 20 ms have passed: the busier the broker, the larger the batches.
 */
export function createEventBatcher({ worker, topology, publish, now }: EventBatcherOptions): EventBatcher {
  let batch = emptyBatch()
  let pending = 0
  const underWay = new Set<Promise<void>>()
  let immediate: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout | undefined

  const send = (): void => {
    clearImmediate(immediate)
    clearTimeout(timer)
    immediate = undefined
    timer = undefined
    if (batch.events.length === 0) return
    const sent = sendBatch(batch).finally(() => {
      underWay.delete(sent)
      if (underWay.size === 0) send()
    })
    underWay.add(sent)
    batch = emptyBatch()
  }

  const sendBatch = async ({ events, confirmed }: Batch): Promise<void> => {
    const head = `{"v":1,"worker":${JSON.stringify(worker)},"sentAt":"${new Date(now()).toISOString()}"`
    try {
      await publish({
        exchange: topology.exchanges.events,
        routingKey: topology.eventKey('batch'),
        body: Buffer.from(`${head},"events":[${events.join(',')}]}`),
        type: EVENT_MESSAGE_TYPE,
      })
    } catch {
      // The worker stops. Nobody is told, so nothing is acked, and the broker delivers what these events were about again.
      return
    } finally {
      pending -= events.length
    }
    for (const onConfirmed of confirmed) onConfirmed()
  }

  return {
    get pending() {
      return pending
    },
    add(event, onConfirmed) {
      const text = encode(event)
      const bytes = Buffer.byteLength(text)
      if (batch.bytes + bytes > MAX_BYTES) send()
      batch.events.push(text)
      batch.bytes += bytes
      if (onConfirmed !== undefined) batch.confirmed.push(onConfirmed)
      pending += 1
      if (batch.events.length >= MAX_EVENTS) send()
      else if (underWay.size === 0) immediate ??= setImmediate(send)
      else timer ??= setTimeout(send, MAX_WAIT_MS)
    },
    async flush() {
      send()
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** An event that nobody could read would leave its task running for ever; without its error's text it still tells the state. */
function encode(event: TaskEvent): string {
  const text = JSON.stringify(event)
  if (!('error' in event) || text.length <= MAX_BYTES) return text
  const message = `the error is too large to be recorded: ${text.length} characters`
  return JSON.stringify({ ...event, error: { name: event.error.name.slice(0, 200), message, classes: [] } })
}

function emptyBatch(): Batch {
  return { events: [], confirmed: [], bytes: 0 }
}

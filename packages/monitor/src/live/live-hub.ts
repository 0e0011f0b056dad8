import { randomUUID } from 'node:crypto'

/** What live events are about. */
export const LIVE_TYPES = ['tasks', 'stats', 'heads', 'coverage', 'workers', 'backfills'] as const
export type LiveType = (typeof LIVE_TYPES)[number]

/** An event as a client gets it. `reset`: load the views anew, what changed is not at hand; what follows are changes. */
export interface LiveEvent {
  /** What a client sends as `Last-Event-ID` to go on behind it. */
  readonly id: string
  readonly type: LiveType | 'reset'
  /** JSON in one line. */
  readonly data: string
}

export interface LiveSubscriber {
  /** Which events it wants. */
  readonly types: ReadonlySet<LiveType>
  /** The last event that it has seen; without one, and with one that is not known any more, it gets a `reset` first. */
  readonly lastEventId?: string | undefined
  readonly onEvent: (event: LiveEvent) => void
  /** No further event comes. */
  readonly onEnd: () => void
}

/** Hands events on to whoever listens, and keeps the latest for those who come back. */
export interface LiveHub {
  publish(type: LiveType, data: unknown): void
  /** True when somebody listens to events of this type. */
  isWanted(type: LiveType): boolean
  /** @returns what ends the subscription; `undefined` when there are as many listeners as there may be, or it has closed. */
  subscribe(subscriber: LiveSubscriber): (() => void) | undefined
  /** Ends all subscriptions, and takes no more. Idempotent. */
  close(): void
}

export interface LiveHubOptions {
  /** Most listeners. Default 50. */
  readonly maxSubscribers?: number
  /** Most events that are kept. Default 1,000. */
  readonly maxEvents?: number
  /** Most characters of events that are kept. Default 1 Mi. */
  readonly maxLength?: number
  /** Told when the first listener has come. */
  readonly onFirst?: () => void
  /** Told when the last listener has gone. */
  readonly onNone?: () => void
}

/** See `LiveHub`. Ids are those of this hub alone: a client that comes from another monitor, or from before a restart, is reset. */
export function createLiveHub(options: LiveHubOptions = {}): LiveHub {
  const { maxSubscribers = 50, maxEvents = 1_000, maxLength = 1024 * 1024, onFirst, onNone } = options
  const name = randomUUID().slice(0, 8)
  const subscribers = new Set<LiveSubscriber>()
  const kept: LiveEvent[] = []
  let length = 0
  let last = 0
  let isClosed = false

  const idOf = (sequence: number): string => `${name}-${sequence}`

  const keep = (event: LiveEvent): void => {
    kept.push(event)
    length += event.data.length
    while (kept.length > maxEvents || length > maxLength) length -= kept.shift()?.data.length ?? length
  }

  /** What a client has missed; `undefined` when that is not at hand. */
  const missed = (lastEventId: string | undefined): readonly LiveEvent[] | undefined => {
    const [, hub, sequence] = /^([0-9a-f]{8})-(\d{1,15})$/.exec(lastEventId ?? '') ?? []
    const behind = last - Number(sequence)
    if (hub !== name || behind < 0 || behind > kept.length) return undefined
    return kept.slice(kept.length - behind)
  }

  return {
    publish(type, data) {
      if (isClosed) return
      last += 1
      const event = { id: idOf(last), type, data: JSON.stringify(data) }
      keep(event)
      for (const subscriber of subscribers) if (subscriber.types.has(type)) subscriber.onEvent(event)
    },
    isWanted: (type) => [...subscribers].some(({ types }) => types.has(type)),
    subscribe(subscriber) {
      if (isClosed || subscribers.size >= maxSubscribers) return undefined
      subscribers.add(subscriber)
      const events = missed(subscriber.lastEventId) ?? [{ id: idOf(last), type: 'reset', data: '{}' } as const]
      for (const event of events) {
        if (event.type === 'reset' || subscriber.types.has(event.type)) subscriber.onEvent(event)
      }
      if (subscribers.size === 1) onFirst?.()
      return () => {
        if (subscribers.delete(subscriber) && subscribers.size === 0) onNone?.()
      }
    },
    close() {
      isClosed = true
      const ended = [...subscribers]
      subscribers.clear()
      for (const subscriber of ended) subscriber.onEnd()
      if (ended.length > 0) onNone?.()
    },
  }
}

import { Readable } from 'node:stream'

import type { LiveEvent, LiveHub, LiveSubscriber } from './live-hub.ts'

export interface EventStreamOptions extends Pick<LiveSubscriber, 'types' | 'lastEventId'> {
  readonly hub: Pick<LiveHub, 'subscribe'>
  /** Most bytes that wait for a client; one that does not read them is cut off. Default 4 MiB. */
  readonly mostWaitingBytes?: number | undefined
  /** How often something is said when there is nothing to say, so that nobody in between takes the connection for dead. Default 15 s. */
  readonly heartbeatMs?: number | undefined
}

/** More than all that a hub keeps, for a client that comes back and has missed all of that. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024

/** A client waits for so long before it connects again. */
const RECONNECT_MS = 2_000

/**
 * Live events as text of the type `text/event-stream`. It ends when the hub closes, and is destroyed when nobody reads it.
 *
 * @returns `undefined` when the hub takes no more listeners.
 */
export function createEventStream(options: EventStreamOptions): Readable | undefined {
  const { hub, types, lastEventId, mostWaitingBytes = MOST_WAITING_BYTES, heartbeatMs = 15_000 } = options
  // What is there is pushed; a reader asks for nothing.
  const stream = new Readable({ read: () => undefined })
  const say = (text: string): void => {
    stream.push(text)
    if (stream.readableLength > mostWaitingBytes) stream.destroy()
  }
  say(`retry: ${RECONNECT_MS}\n\n`)
  const leave = hub.subscribe({
    types,
    lastEventId,
    onEvent: (event) => say(textOf(event)),
    onEnd: () => stream.push(null),
  })
  if (leave === undefined) return undefined
  const heartbeat = setInterval(() => say(': still here\n\n'), heartbeatMs)
  stream.once('close', () => {
    clearInterval(heartbeat)
    leave()
  })
  return stream
}

function textOf({ id, type, data }: LiveEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${data}\n\n`
}

import type { Delivery } from '@blockmill/core'

import { messageRecords } from './message-records.ts'
import { countRecords, type Records } from './records.ts'

/** A delivery with what it says, or why it says nothing. */
export type Entry =
  | { readonly type: 'readable'; readonly delivery: Delivery; readonly records: Records }
  | { readonly type: 'unreadable'; readonly delivery: Delivery; readonly error: unknown }

/** How much goes into one batch at most. A chunk's message becomes many rows, and a result may be large. */
export interface BatchLimits {
  readonly messages: number
  readonly rows: number
  readonly bytes: number
}

/** Deliveries that wait to be recorded, in the order in which they came. */
export interface Intake {
  add(delivery: Delivery): void
  /** The next batch; empty when nothing waits. */
  take(): Entry[]
  /** Forgets deliveries whose channel is gone: they will come again. */
  dropStale(): void
  /** True when what waits fills a batch. */
  isFull(): boolean
  readonly length: number
  /** Size of the bodies of what waits. */
  readonly bytes: number
}

export function createIntake(limits: BatchLimits): Intake {
  let entries: Entry[] = []
  let rows = 0
  let bytes = 0

  const count = (entry: Entry, sign: 1 | -1): void => {
    rows += sign * rowsOf(entry)
    bytes += sign * entry.delivery.body.length
  }

  return {
    add(delivery) {
      const entry = readEntry(delivery)
      entries.push(entry)
      count(entry, 1)
    },
    take() {
      const size = batchSize(entries, limits)
      const batch = entries.slice(0, size)
      entries = entries.slice(size)
      for (const entry of batch) count(entry, -1)
      return batch
    },
    dropStale() {
      const live = entries.filter(({ delivery }) => delivery.isLive())
      for (const entry of entries) if (!entry.delivery.isLive()) count(entry, -1)
      entries = live
    },
    isFull: () => entries.length >= limits.messages || rows >= limits.rows || bytes >= limits.bytes,
    get length() {
      return entries.length
    },
    get bytes() {
      return bytes
    },
  }
}

function batchSize(entries: readonly Entry[], limits: BatchLimits): number {
  let rows = 0
  let bytes = 0
  const end = entries.findIndex((entry, index) => {
    rows += rowsOf(entry)
    bytes += entry.delivery.body.length
    // One message always goes, however large it is.
    return index > 0 && (index >= limits.messages || rows > limits.rows || bytes > limits.bytes)
  })
  return end === -1 ? entries.length : end
}

function rowsOf(entry: Entry): number {
  return entry.type === 'readable' ? countRecords(entry.records) : 0
}

function readEntry(delivery: Delivery): Entry {
  try {
    return { type: 'readable', delivery, records: messageRecords(delivery.type, delivery.body) }
  } catch (error) {
    return { type: 'unreadable', delivery, error }
  }
}

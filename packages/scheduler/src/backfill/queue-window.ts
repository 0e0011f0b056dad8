import { unlessAborted } from '@blockmill/core'

import { pause } from '../wake-up.ts'
import { createPublishedItems } from './published-items.ts'

/** How long to wait before the broker is asked again. A worker takes a few hundred tasks meanwhile. */
const LOOK_EVERY_MS = 50

/** A lane is looked at before something is published that has not been for so long: it may be gone. */
const LOOK_LASTS_MS = 1_000

/** A lane is kept at least this full, so that no worker waits from one look to the next. */
const LEAST_LEVEL = 1_000

/** Room for tasks in a lane, to be given back. */
export interface Room {
  /** Tasks that may be published. */
  readonly tasks: number
  /** Ends the reservation, once: so many messages are published, each with so many tasks. */
  release(published: readonly { readonly messages: number; readonly tasksEach: number }[]): void
}

/**
 * Bounds the tasks that wait in one lane of the broker. Whoever wants to publish asks for room first; those who ask take
 * turns, so that a large job does not keep a small one waiting.
 *
 * The lane is kept no fuller than its workers need, which is most often far below the limit: the level that it is filled up
 * to doubles when a look finds the lane all but empty, and falls while half of it or more still waits. The shorter the lane,
 * the sooner a pause takes effect, and the more often a task is recorded once, as scheduled and finished in one.
 */
export interface QueueWindow {
  /**
   * Waits until there is room for some tasks, and reserves it.
   *
   * @param least not worth less: unless the lane is empty, it waits for room for this many.
   * @param most no more than this.
   * @throws the signal's reason when it aborts; the error of `depth`.
   */
  reserve(least: number, most: number, signal: AbortSignal): Promise<Room>
  /** Holds the lane to this many tasks as long as the job is there: the smallest limit counts. */
  limit(job: string, tasks: number): void
  unlimit(job: string): void
}

export interface QueueWindowOptions {
  /** Messages that the broker has ready in the lane. */
  readonly depth: () => Promise<number>
  /** Milliseconds of a clock that never jumps; default the process's. */
  readonly now?: () => number
  /** Waits until it is worth asking again. */
  readonly waitMs?: (ms: number, signal: AbortSignal) => Promise<void>
}

export function createQueueWindow({
  depth,
  now = () => performance.now(),
  waitMs = pause,
}: QueueWindowOptions): QueueWindow {
  const limits = new Map<string, number>()
  const published = createPublishedItems()
  /** In the lane when the broker was asked last. */
  let waiting = 0
  let askedAtMs = Number.NEGATIVE_INFINITY
  let answeredAtMs = Number.NEGATIVE_INFINITY
  /** Published since then, and about to be. */
  let publishedSince = 0
  let reserved = 0
  let turn: Promise<void> = Promise.resolve()

  let level = LEAST_LEVEL

  const limit = (): number => Math.min(...limits.values())
  const free = (): number => Math.min(limit(), level) - waiting - publishedSince - reserved

  const adaptLevel = (): void => {
    if (waiting < level / 8) level = Math.min(limit(), level * 2)
    else if (waiting > level / 2) level = Math.floor(level * 0.8)
    level = Math.max(LEAST_LEVEL, level)
  }

  const look = async (signal: AbortSignal): Promise<void> => {
    const sinceLastMs = now() - askedAtMs
    if (sinceLastMs < LOOK_EVERY_MS) await waitMs(LOOK_EVERY_MS - sinceLastMs, signal)
    signal.throwIfAborted()
    askedAtMs = now()
    // What is confirmed while the broker answers may be counted twice, never not at all.
    const before = publishedSince
    waiting = published.newest(await unlessAborted(depth(), signal))
    answeredAtMs = now()
    publishedSince -= before
  }

  const reserveNext = async (least: number, most: number, signal: AbortSignal): Promise<Room> => {
    const worth = (): number => Math.min(least, limit())
    for (;;) {
      const hasRoom = free() >= worth()
      if (hasRoom && now() - answeredAtMs <= LOOK_LASTS_MS) break
      await look(signal)
      // An empty lane that nobody fills up says nothing of its workers.
      if (!hasRoom) adaptLevel()
    }
    const tasks = Math.min(most, free())
    reserved += tasks
    let isReserved = true
    return {
      tasks,
      release(messages) {
        if (!isReserved) return
        isReserved = false
        reserved -= tasks
        for (const { messages: count, tasksEach } of messages) {
          published.add(count, tasksEach)
          publishedSince += count * tasksEach
        }
      },
    }
  }

  return {
    async reserve(least, most, signal) {
      const last = turn
      const done = Promise.withResolvers<void>()
      turn = last.then(() => done.promise)
      try {
        await unlessAborted(last, signal)
        return await reserveNext(least, most, signal)
      } finally {
        done.resolve()
      }
    },
    limit: (job, tasks) => void limits.set(job, tasks),
    unlimit: (job) => void limits.delete(job),
  }
}

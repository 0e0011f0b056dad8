import type { RateLimit } from '@blockmill/core'
import type { RateLimiter } from './rate-limiter.ts'
import { createSlidingWindow } from './sliding-window.ts'

/** Asks the broker for one start: true when it is allowed. Never rejects. */
export type AcquirePermit = () => Promise<boolean>

export interface GlobalLimiterOptions {
  readonly limit: Pick<RateLimit, 'limit' | 'perMs'>
  readonly acquire: AcquirePermit
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number
  /** A number in [0, 1), so that workers do not ask in step. */
  readonly random: () => number
  readonly onOpen: () => void
}

/** Starts asked for at once; what lies above comes with the next answers. */
const MAX_ASKED = 32
/** A permit that found no use for so long is given up: it was counted when it was given, not when it is used. */
const PERMIT_MS = 250
/** Bounds of the pause after a refusal. Within, it is the time between two starts, give or take a half. */
const [MIN_PAUSE_MS, MAX_PAUSE_MS] = [5, 1_000]

/**
 * A limiter whose permits are given by the broker, one for each start, to all workers together. It asks only for what can be
 * started at once, and pauses after a refusal; an idle worker asks for nothing.
 */
export function createGlobalLimiter({ limit, acquire, clock, random, onOpen }: GlobalLimiterOptions): RateLimiter {
  const intervalMs = limit.perMs / limit.limit
  /** This worker's own share of the limit: while it alone has used it up, asking is of no use. */
  const own = createSlidingWindow(limit)
  /** When each permit that is not used yet was given, the oldest first. */
  const permits: number[] = []
  let asked = 0
  let pausedUntil = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const dropStale = (): void => {
    while ((permits[0] ?? Number.POSITIVE_INFINITY) < clock() - PERMIT_MS) permits.shift()
  }

  const ask = async (): Promise<void> => {
    const askedAt = clock()
    asked += 1
    const isGiven = await acquire()
    asked -= 1
    if (stopped) return
    const now = clock()
    if (isGiven) {
      // By the time of asking, because the broker counted it no earlier.
      own.take(askedAt)
      permits.push(now)
    } else {
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, intervalMs)) * (0.5 + random())
      pausedUntil = now + pauseMs
    }
    onOpen()
  }

  const look = (): void => {
    timer = undefined
    onOpen()
  }

  return {
    isOpen() {
      dropStale()
      return permits.length > 0
    },
    take: () => void permits.shift(),
    awaitOpening(wanted) {
      const now = clock()
      const waitMs = Math.max(pausedUntil - now, own.waitMs(now))
      if (waitMs > 0) {
        timer ??= setTimeout(look, Math.ceil(waitMs))
        return
      }
      const open = own.startsBy(now, now) - asked
      const more = Math.min(wanted - permits.length - asked, MAX_ASKED - asked, open)
      for (let one = 0; one < more; one += 1) void ask()
    },
    isExhausted() {
      const now = clock()
      return now < pausedUntil || own.waitMs(now) > 0
    },
    startsWithin(durationMs) {
      const now = clock()
      // After a refusal others are at it, and nothing is known but the rate.
      if (now < pausedUntil) return Math.floor(durationMs / intervalMs)
      return own.startsBy(now, now + durationMs)
    },
    intervalMs,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

import type { RateLimit } from '@blockmill/core'
import type { RateLimiter } from './rate-limiter.ts'
import { createSlidingWindow } from './sliding-window.ts'

export interface WorkerLimiterOptions {
  readonly limit: Pick<RateLimit, 'limit' | 'perMs'>
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number
  readonly onOpen: () => void
}

/** The limiter of one worker by itself. */
export function createWorkerLimiter({ limit, clock, onOpen }: WorkerLimiterOptions): RateLimiter {
  const window = createSlidingWindow(limit)
  let timer: NodeJS.Timeout | undefined

  const look = (): void => {
    timer = undefined
    onOpen()
  }
  const isOpen = (): boolean => window.waitMs(clock()) === 0

  return {
    isOpen,
    take: () => window.take(clock()),
    awaitOpening() {
      timer ??= setTimeout(look, Math.ceil(window.waitMs(clock())))
    },
    isExhausted: () => !isOpen(),
    startsWithin(durationMs) {
      const now = clock()
      return window.startsBy(now, now + durationMs)
    },
    intervalMs: limit.perMs / limit.limit,
    stop: () => clearTimeout(timer),
  }
}

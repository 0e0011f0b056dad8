import type { RateLimiter } from './rate-limiter.ts'

/** Permits for what a handler does beside its start, from the limit that its start was taken from. */
export interface Throttle {
  /** Takes a permit, in order. Rejects with the signal's reason when that aborts first. */
  take(signal: AbortSignal): Promise<void>
  /** Looks whether the limiter is open. Before a new start does: what runs comes first, so that it ends. */
  serve(): void
}

interface Waiter {
  readonly resolve: () => void
}

export function createThrottle(limiter: RateLimiter): Throttle {
  const waiters: Waiter[] = []

  const serve = (): void => {
    while (waiters.length > 0 && limiter.isOpen()) {
      limiter.take()
      waiters.shift()?.resolve()
    }
    if (waiters.length > 0) limiter.awaitOpening(waiters.length)
  }

  return {
    serve,
    async take(signal) {
      signal.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter = { resolve }
      const leave = (): void => {
        const place = waiters.indexOf(waiter)
        if (place >= 0) waiters.splice(place, 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      waiters.push(waiter)
      serve()
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', leave)
      }
    },
  }
}

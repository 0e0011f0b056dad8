/** Lets one loop wait for "look again" from elsewhere, for a while at most. */
export interface WakeUp {
  /** Ends the wait. Remembered when nobody waits, however often it was called. */
  notify(): void
  /** Resolves when notified, after `maxMs` (never, when left out), or when the signal aborts. Never throws. */
  wait(signal: AbortSignal, maxMs?: number): Promise<void>
}

export function createWakeUp(): WakeUp {
  let notified = false
  let wake: (() => void) | undefined

  return {
    notify() {
      notified = true
      wake?.()
    },

    async wait(signal, maxMs) {
      if (!notified && !signal.aborted) {
        const waiting = Promise.withResolvers<void>()
        wake = waiting.resolve
        const timer = maxMs === undefined ? undefined : setTimeout(waiting.resolve, maxMs)
        signal.addEventListener('abort', wake)
        await waiting.promise
        signal.removeEventListener('abort', wake)
        clearTimeout(timer)
        wake = undefined
      }
      notified = false
    },
  }
}

/** Resolves after `ms`, or at once when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await createWakeUp().wait(signal, ms)
}

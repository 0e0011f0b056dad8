/** A signal from one producer to any number of listeners: "look again". Carries nothing, and is not queued. */
export interface WakeUps {
  /** Wakes every listener. A listener that is still busy is woken once when it comes back, however often it was notified. */
  notify(): void
  /** One listener. Ends when its signal aborts or the wake-ups end; never throws. */
  listen(signal: AbortSignal): AsyncGenerator<void, void, void>
  /** Ends every listener, now and later. Idempotent. */
  end(): void
}

/** Wake-ups for a `ChainSource`, which may notify far more often than a listener can follow. */
export function createWakeUps(): WakeUps {
  const listeners = new Set<() => void>()
  const state = { ended: false }

  const wakeAll = (): void => {
    for (const wake of listeners) wake()
  }

  return {
    notify: wakeAll,

    listen(signal) {
      let pending = false
      let next = Promise.withResolvers<void>()
      const wake = (): void => {
        pending = true
        next.resolve()
      }
      const leave = (): void => {
        listeners.delete(wake)
        signal.removeEventListener('abort', abort)
      }
      const abort = (): void => {
        leave()
        wake()
      }
      // Listens from now, not from the first step of the loop, so that nothing is missed in between.
      listeners.add(wake)
      signal.addEventListener('abort', abort)

      return (async function* () {
        try {
          while (!state.ended && !signal.aborted) {
            if (pending) {
              pending = false
              next = Promise.withResolvers()
              yield
            } else {
              await next.promise
            }
          }
        } finally {
          leave()
        }
      })()
    },

    end() {
      state.ended = true
      wakeAll()
    },
  }
}

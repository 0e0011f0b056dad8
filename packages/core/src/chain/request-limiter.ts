import { type AdaptiveLimit, adaptLimit, initialLimit, type RequestOutcome } from './adaptive-limit.ts'

/** How a request ended; `lost` with its connection, which says nothing about how many requests the endpoint takes. */
export type TurnEnd = RequestOutcome | { readonly type: 'lost' }

/** The right to have one request in flight. */
export interface RequestTurn {
  /** To be called once, when the request is over. */
  end(how: TurnEnd): void
}

/** Gives out turns to send requests to one endpoint: as many as it takes, and none while it wants to be left alone. */
export interface RequestLimiter {
  /**
   * Waits for a turn, in order of asking; with `again`, before all who ask for the first time. `undefined` when none came
   * within `limitMs`, or when all were sent away.
   */
  take(limitMs: number, options?: { readonly again?: boolean }): Promise<RequestTurn | undefined>
  /** Nothing is sent before this time. */
  readonly pausedUntilMs: number
  /** Tells all who wait for a turn that they do so in vain. */
  sendAway(): void
}

export interface RequestLimiterOptions {
  readonly random: () => number
  /** Hears of each change: requests allowed in flight, and those that are. */
  readonly onChange: (limit: number, inFlight: number) => void
}

type Waiter = (turn: RequestTurn | undefined) => void

/** More than a timer can count. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** A limiter that starts anew: what it learns is kept while it lives, over all connections to the endpoint. */
export function createRequestLimiter({ random, onChange }: RequestLimiterOptions): RequestLimiter {
  const again = new Set<Waiter>()
  const fresh = new Set<Waiter>()
  let state: AdaptiveLimit = initialLimit
  let inFlight = 0
  let pauseTimer: NodeJS.Timeout | undefined

  const hasRoom = (): boolean => inFlight < Math.floor(state.limit) && performance.now() >= state.pausedUntilMs

  const changed = (): void => onChange(Math.floor(state.limit), inFlight)

  const grant = (): RequestTurn => {
    const sentAtMs = performance.now()
    inFlight += 1
    changed()
    return {
      end(how) {
        if (how.type !== 'lost') {
          state = adaptLimit(state, how, { sentAtMs, nowMs: performance.now(), inFlight, random: random() })
        }
        inFlight -= 1
        changed()
        serve()
      },
    }
  }

  /** Gives turns to those who wait, as many as there are; comes back when a pause is over. */
  const serve = (): void => {
    for (const waiters of [again, fresh]) {
      for (const waiter of waiters) {
        if (!hasRoom()) break
        waiters.delete(waiter)
        waiter(grant())
      }
    }
    const pauseMs = state.pausedUntilMs - performance.now()
    if (pauseMs <= 0 || again.size + fresh.size === 0) return
    clearTimeout(pauseTimer)
    pauseTimer = setTimeout(serve, Math.min(pauseMs, LONGEST_TIMER_MS))
  }

  return {
    async take(limitMs, options = {}) {
      if (hasRoom() && again.size + fresh.size === 0) return grant()
      const waiters = options.again === true ? again : fresh
      const turn = Promise.withResolvers<RequestTurn | undefined>()
      const giveUp = setTimeout(() => {
        waiters.delete(turn.resolve)
        turn.resolve(undefined)
      }, limitMs)
      waiters.add(turn.resolve)
      serve()
      try {
        return await turn.promise
      } finally {
        clearTimeout(giveUp)
        if (again.size + fresh.size === 0) clearTimeout(pauseTimer)
      }
    },

    get pausedUntilMs() {
      return state.pausedUntilMs
    },

    sendAway() {
      clearTimeout(pauseTimer)
      for (const waiters of [again, fresh]) {
        for (const waiter of waiters) waiter(undefined)
        waiters.clear()
      }
    },
  }
}

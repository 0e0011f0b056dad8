import { backoffMs } from '../backoff.ts'

/** What kinds of work wait, until when, and after how many failures. Times are milliseconds of a clock that never jumps. */
export interface Setbacks<Kind> {
  /** One more failure: the kind waits longer than after the last one. Returns for how long. */
  failed(kind: Kind, nowMs: number): number
  /** The kind waits for so long; not a failure. */
  postpone(kind: Kind, nowMs: number, ms: number): void
  /** Something worked: the next failure is the first again. */
  clear(kind: Kind): void
  isWaiting(kind: Kind, nowMs: number): boolean
  /** Until the first wait that is not over ends; `undefined` when there is none. */
  untilNextMs(nowMs: number): number | undefined
}

export function createSetbacks<Kind>(): Setbacks<Kind> {
  const setbacks = new Map<Kind, { readonly failures: number; readonly untilMs: number }>()
  const failuresOf = (kind: Kind): number => setbacks.get(kind)?.failures ?? 0

  return {
    failed(kind, nowMs) {
      const failures = failuresOf(kind) + 1
      const ms = backoffMs(failures)
      setbacks.set(kind, { failures, untilMs: nowMs + ms })
      return ms
    },
    postpone(kind, nowMs, ms) {
      setbacks.set(kind, { failures: failuresOf(kind), untilMs: nowMs + ms })
    },
    clear: (kind) => void setbacks.delete(kind),
    isWaiting: (kind, nowMs) => (setbacks.get(kind)?.untilMs ?? nowMs) > nowMs,
    untilNextMs(nowMs) {
      const waits = Array.from(setbacks.values(), ({ untilMs }) => untilMs - nowMs).filter((ms) => ms > 0)
      return waits.length === 0 ? undefined : Math.min(...waits)
    },
  }
}

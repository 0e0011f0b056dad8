import { createUnitBuffer, type UnitBuffer } from '../consume/unit-buffer.ts'
import { compareUnits, type WorkUnit } from '../consume/work-unit.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { createSetAside, type SetAside } from './set-aside.ts'
import { createUnitLine, notStarted, type UnitLine } from './unit-line.ts'

/** The limits of a task on a queue. */
export interface LimitSet {
  /** The limiters that a unit must pass, all of them. */
  readonly limiters: readonly RateLimiter[]
  /** Units that would wait longer are set aside. */
  readonly patienceMs: number
}

export interface LimitedBufferOptions {
  /** The limits of a unit, always the same object for the same limits; `undefined` when it is not limited. */
  readonly limitsOf: (unit: WorkUnit) => LimitSet | undefined
  /** Handlers that could be started at once. */
  readonly freeSlots: () => number
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number
  /** Called for a unit that has left the buffer and is to come back through the broker after the wait. */
  readonly onSetAside: (unit: WorkUnit, waitMs: number) => void
  /** Called once for each time that a unit could have been started but for its limit. */
  readonly onHeldBack: (unit: WorkUnit) => void
}

interface LimitedLine extends LimitSet {
  readonly line: UnitLine
  readonly setAside: SetAside
  /** The unit that was last found held back, so that it counts once. */
  heldBack: WorkUnit | undefined
}

/**
 * A buffer with rate limits. Units wait in the order of the buffer without limits, but one line apart for each set of limits:
 * what is over its limit stands in nobody's way, and takes no slot. A line keeps what can start within its patience. The rest is set
 * aside, the last of the order first, so that it does not fill the prefetch.
 */
export function createLimitedBuffer({
  limitsOf,
  freeSlots,
  clock,
  onSetAside,
  onHeldBack,
}: LimitedBufferOptions): UnitBuffer {
  const free = createUnitBuffer()
  const lines = new Map<LimitSet, LimitedLine>()

  const lineOf = (limits: LimitSet): LimitedLine => {
    let found = lines.get(limits)
    if (found === undefined) {
      const intervalMs = Math.max(...limits.limiters.map((limiter) => limiter.intervalMs))
      found = { ...limits, line: createUnitLine(), setAside: createSetAside({ intervalMs }), heldBack: undefined }
      lines.set(limits, found)
    }
    return found
  }

  /** Sets aside what cannot start in time. A chunk stays while some of it can. */
  const trim = ({ line, limiters, patienceMs, setAside }: LimitedLine): void => {
    let room: number | undefined
    for (let last = line.last; last !== undefined; last = line.last) {
      // Asked for only when there is something to decide.
      room ??= Math.min(...limiters.map((limiter) => limiter.startsWithin(patienceMs)))
      if (line.items - notStarted(last) < room) return
      line.removeLast()
      onSetAside(last, setAside.waitMs(clock(), notStarted(last)))
    }
  }

  const holdBack = (limited: LimitedLine, unit: WorkUnit, closed: RateLimiter): void => {
    const { limiters } = limited
    if (limited.heldBack !== unit && limiters.some((limiter) => limiter.isExhausted())) {
      limited.heldBack = unit
      onHeldBack(unit)
    }
    trim(limited)
    if (limited.line.size === 0) return
    // The one that was found closed, even if it has opened this instant: nobody else would look again.
    closed.awaitOpening(Math.min(limited.line.items, freeSlots()))
  }

  return {
    get size() {
      let size = free.size
      for (const { line } of lines.values()) size += line.size
      return size
    },
    push(unit) {
      const limits = limitsOf(unit)
      if (limits === undefined) {
        free.push(unit)
        return
      }
      const limited = lineOf(limits)
      limited.line.push(unit)
      trim(limited)
    },
    take() {
      let best = free.first
      let from: LimitedLine | undefined
      for (const limited of lines.values()) {
        const { first } = limited.line
        if (first === undefined) continue
        // One after the other: a permit of one limiter would only get old while another is closed.
        const closed = limited.limiters.find((limiter) => !limiter.isOpen())
        if (closed !== undefined) holdBack(limited, first, closed)
        else if (best === undefined || compareUnits(first, best) < 0) {
          best = first
          from = limited
        }
      }
      if (from === undefined || best === undefined) return free.take()
      const item = best.items[best.started]
      if (item === undefined) return undefined
      for (const limiter of from.limiters) limiter.take()
      from.line.start()
      return { unit: best, item }
    },
    remove(predicate) {
      const removed = free.remove(predicate)
      for (const { line } of lines.values()) removed.push(...line.remove(predicate))
      return removed
    },
  }
}

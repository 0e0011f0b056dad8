import type { UnitBuffer } from './unit-buffer.ts'
import { compareUnits, deliveryCount, type WorkUnit } from './work-unit.ts'

/**
 * So many deliveries without an outcome make a message a suspect. Not the first, since a worker may be killed and a connection
 * may break for any reason, and all that the worker held is counted then.
 */
export const SUSPECT_FROM = 5

/** With so many, half of the broker's limit, a suspect that is not the one to run next is sent back to count from zero. */
export const SEND_BACK_FROM = 10

/** Time for acks to leave the process. The broker does not confirm them, and what is not acked is counted with the next crash. */
const REST_MS = 100

export interface SuspectBufferOptions {
  /** What everything else waits in. */
  readonly buffer: UnitBuffer
  /** True when all that was started is settled and acked, and all that was sent back has arrived. */
  readonly isQuiet: () => boolean
  /** Called for a suspect that has left the buffer and is to come back with a count of zero. */
  readonly onSendBack: (unit: WorkUnit) => void
  /** Called for a suspect that is the next and only one to run. */
  readonly onAlone: (unit: WorkUnit) => void
  /** Called when there may be something to take again. */
  readonly onReady: () => void
  /** Default 100. */
  readonly restMs?: number
}

/**
 * A buffer that finds out which message kills its worker. A crash counts for every message that the worker held, so the count alone
 * would put the innocent on the dead queue together with the culprit. A message whose count has grown is therefore a suspect, and
 * the buffer is in one of three modes:
 *
 * - **open**: there is no suspect. Units go as without this buffer.
 * - **quieting**: there is one. Nothing more is started, until what runs is settled.
 * - **alone**: one suspect runs, and nothing else. It ends and is acked, or the worker dies and only it can be the cause. Then
 *   the next suspect follows, and after the last of them everything that has waited.
 *
 * The one with the highest count is first, so it is the same after each crash, until the broker's limit puts it on the dead queue.
 * Others whose count comes near the limit while they wait are sent back before, and so never reach it.
 */
export function createSuspectBuffer({
  buffer,
  isQuiet,
  onSendBack,
  onAlone,
  onReady,
  restMs = REST_MS,
}: SuspectBufferOptions): UnitBuffer {
  let suspects: WorkUnit[] = []
  /** What is no suspect, while one runs alone; otherwise that waits in the buffer. */
  let waiting: WorkUnit[] = []
  let mode: 'open' | 'quieting' | 'alone' = 'open'
  let rest: NodeJS.Timeout | undefined
  let isRested = false

  function open(): void {
    mode = 'open'
    endRest()
    for (const unit of waiting) buffer.push(unit)
    waiting = []
  }

  function endRest(): void {
    clearTimeout(rest)
    rest = undefined
    isRested = false
  }

  /** Makes the first suspect the only unit in the buffer, as soon as nothing else can be hurt by it. */
  function isolate(): void {
    if (!isQuiet()) return
    suspects.sort((a, b) => deliveryCount(b) - deliveryCount(a) || compareUnits(a, b))
    const [first, ...others] = suspects
    if (first === undefined) return
    const near = others.filter((unit) => deliveryCount(unit) >= SEND_BACK_FROM)
    if (near.length > 0) {
      suspects = [first, ...others.filter((unit) => !near.includes(unit))]
      endRest()
      for (const unit of near) onSendBack(unit)
      return
    }
    if (!isRested) {
      rest ??= setTimeout(() => {
        isRested = true
        onReady()
      }, restMs)
      return
    }
    endRest()
    mode = 'alone'
    suspects = others
    waiting.push(...buffer.remove(() => true))
    onAlone(first)
    buffer.push(first)
  }

  return {
    get size() {
      return suspects.length + waiting.length + buffer.size
    },
    push(unit) {
      if (deliveryCount(unit) >= SUSPECT_FROM) {
        suspects.push(unit)
        if (mode === 'open') mode = 'quieting'
      } else if (mode === 'alone') waiting.push(unit)
      else buffer.push(unit)
    },
    take() {
      if (mode === 'alone') {
        const next = buffer.take()
        if (next !== undefined || buffer.size > 0 || !isQuiet()) return next
        if (suspects.length > 0) mode = 'quieting'
        else open()
      }
      if (mode === 'quieting') isolate()
      return mode === 'quieting' ? undefined : buffer.take()
    },
    remove(predicate) {
      const removed = [...suspects, ...waiting].filter(predicate)
      suspects = suspects.filter((unit) => !removed.includes(unit))
      waiting = waiting.filter((unit) => !removed.includes(unit))
      removed.push(...buffer.remove(predicate))
      if (mode === 'quieting' && suspects.length === 0) open()
      return removed
    },
  }
}

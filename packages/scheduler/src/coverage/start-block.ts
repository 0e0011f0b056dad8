/**
 * Where scheduling starts: `resume` goes on where each task was, `current` at the head that is seen at start, a number at
 * that block. All three include the block they name.
 */
export type StartMode = 'resume' | 'current' | number

export interface StartBlockQuestion {
  readonly mode: StartMode
  /** The head at which the task is registered: that at the start of the service, for the arguments it has then. */
  readonly head: number
  /** Blocks before the head that the task looks back at. */
  readonly lookback: number
  /** The start block that the task gives itself, in place of the mode. */
  readonly own?: number | undefined
  /** The start block on record, when this task has run with these arguments before. */
  readonly recorded?: number | undefined
}

/**
 * First block that must be evaluated for a task with one set of arguments. A task that is new starts at the head, minus its
 * lookback, or where it says itself. A lookback that has grown, or a start block of its own that is lower, moves an older
 * one down; it never moves up but by the start mode.
 */
export function startBlock({ mode, head, lookback, own, recorded }: StartBlockQuestion): number {
  if (own !== undefined) return Math.min(own, recorded ?? own)
  const fromHead = Math.max(0, head - lookback)
  if (mode === 'current') return fromHead
  if (mode !== 'resume') return mode
  if (recorded === undefined) return fromHead
  return lookback > 0 ? Math.min(recorded, fromHead) : recorded
}

/**
 * First block of the live run of a task of which nothing is evaluated yet. A start block that was given as a number is
 * where it begins, and all that follows comes in order. A start block that came from a head is `lookback` blocks before
 * it: the live run begins at that head, and what lies before is looked back at.
 */
export function liveStart(
  start: number,
  { mode, head, lookback }: Omit<StartBlockQuestion, 'recorded' | 'own'>,
): number {
  if (start === mode) return start
  return Math.max(start, Math.min(start + lookback, head))
}

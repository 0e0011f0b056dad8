import { type Duration, durationMs } from './duration.ts'

/**
 * Thrown by a handler that cannot go on yet: the task runs again later, on the same queue and lane, and no attempt is
 * used. Not a failure.
 */
export class Postpone extends Error {
  override readonly name = 'Postpone'
  /** Milliseconds until it may run again; `undefined` means the worker's default (5 s). */
  readonly delayMs: number | undefined

  constructor(delay?: Duration, reason = 'postponed by its handler') {
    super(reason)
    this.delayMs = delay === undefined ? undefined : durationMs(delay, 'Postpone(delay)')
  }
}

/** `throw new Cancel(reason)`: a handler finds its task pointless; the task ends as cancelled, with the reason on record. */
export class Cancel extends Error {
  override readonly name = 'Cancel'
}

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

/**
 * Thrown by the handler of a batch that has more to fetch than it can get at once: the batch is split, in two or in pieces of
 * `safeSize` blocks. Not a failure, and no attempt is used; only on a single block it is one.
 */
export class RangeTooLarge extends Error {
  override readonly name = 'RangeTooLarge'
  /** Blocks that can be fetched at once; `undefined` when the handler cannot tell. */
  readonly safeSize: number | undefined

  constructor(message = 'the range has more than can be fetched at once', { safeSize }: { safeSize?: number } = {}) {
    super(message)
    this.safeSize = safeSize
  }
}

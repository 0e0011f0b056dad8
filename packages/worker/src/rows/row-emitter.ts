import {
  findNonJson,
  type Json,
  type JsonObject,
  NonRetryableError,
  type PartList,
  type RangeCheckpoint,
  type RowsPart,
  within,
} from '@blockmill/core'
import { createRowBuffer } from './row-buffer.ts'

/** What a handler emits rows and keeps checkpoints with, and how its attempt ends them. */
export interface RowEmitter {
  readonly emit: (rows: readonly JsonObject[]) => Promise<void>
  readonly checkpoint: (cursor: Json) => Promise<void>
  /**
   * The handler has returned: publishes what is left.
   *
   * @returns the parts of the batch, when the broker has confirmed all of them.
   * @throws what went wrong with any row, also when the handler did not look; the signal's reason when it aborts.
   */
  readonly finish: () => Promise<PartList>
  /**
   * The attempt ends without success: publishes what is left up to the last checkpoint, and drops the rest. Resolves when
   * `onCheckpoint` was told of that, and after 5 s at the latest: then an earlier one counts. Never rejects.
   */
  readonly abandon: () => Promise<void>
}

export interface RowEmitterOptions {
  readonly job: string
  readonly taskId: string
  /** UUID of this execution of the handler. */
  readonly execution: string
  /** Parts that the executions before this one have left behind, up to its checkpoint. */
  readonly before: PartList
  /** Resolves when the broker has the part. */
  readonly publish: (part: RowsPart) => Promise<void>
  /** Told of each checkpoint that a later attempt can go on from: the broker has all that was emitted before it. */
  readonly onCheckpoint: (checkpoint: RangeCheckpoint) => void
  /** Ends all waiting. */
  readonly signal: AbortSignal
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number
}

/** Parts under way at once when a handler goes on: what it may be ahead of the broker. */
const MAX_UNCONFIRMED = 4
/**
 * Parts under way at once that one call may make. More than a handler goes on with: packed, rows take a fifth of the memory that
 * they take as objects, and objects that wait make the heap grow.
 */
const MAX_PACKED = 12
/** Calls that wait for room at once. A handler that awaits what it emits has one, or as many as it does side by side. */
const MAX_WAITING = 100
/** A checkpoint closes a part that is not full yet no more often than this, so that many checkpoints do not make many parts. */
const CHECKPOINT_FLUSH_MS = 1_000
/** For the confirms of the last checkpoint of an attempt that ends without success. */
const ABANDON_MS = 5_000
const MAX_CURSOR_BYTES = 64 * 1024

/** A call that has not come to its end yet. */
interface Waiting {
  readonly step: Step
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Does what can be done now; true when it is done, false when it is to be called again once there is room. */
type Step = () => boolean

/** A checkpoint, and how many parts come before it. */
interface Mark {
  readonly cursor: Json
  readonly parts: number
  readonly rows: number
}

/**
 * Makes parts of rows and publishes them, a few at a time. All it does happens within a call of the handler or an answer of the
 * broker, in the order of the calls, and its memory is bounded: by a part that fills, the parts under way, and the calls that wait.
 *
 * It fails for good with the first thing that goes wrong, so that no row is missing in a success whose handler did not look.
 */
export function createRowEmitter({
  job,
  taskId,
  execution,
  before,
  publish,
  onCheckpoint,
  signal,
  clock = () => performance.now(),
}: RowEmitterOptions): RowEmitter {
  const buffer = createRowBuffer()
  const waiting: Waiting[] = []
  let parts = 0
  let rows = 0
  const unconfirmed = new Set<number>()
  /** What the next part that ends at the mark is the checkpoint of. */
  let cursor: Json | undefined
  /** Checkpoints whose parts are not all confirmed, in order. */
  let marks: Mark[] = []
  let flushedAt = clock()
  let failure: { readonly error: unknown } | undefined
  /** The broker will confirm nothing more: the worker stops. */
  let isCutOff = false
  let hasEnded = false
  let changed = Promise.withResolvers<void>()

  function wake(): void {
    changed.resolve()
    changed = Promise.withResolvers()
  }

  function fail(error: unknown): unknown {
    failure ??= { error }
    for (const { reject } of waiting.splice(0)) reject(failure.error)
    signal.removeEventListener('abort', onAbort)
    wake()
    return failure.error
  }
  const onAbort = (): void => void fail(signal.reason)

  /** False when there is no room for another part. */
  function flush(): boolean {
    if (unconfirmed.size >= MAX_PACKED) return false
    const { rows: count, data, endsAtMark } = buffer.take()
    const part = parts
    parts += 1
    rows += count
    unconfirmed.add(part)
    flushedAt = clock()
    if (endsAtMark) addMark()
    void publish({ job, taskId, execution, part, rows: count, data }).then(
      () => confirmed(part),
      (error: unknown) => {
        isCutOff = true
        fail(error)
      },
    )
    return true
  }

  function addMark(): void {
    marks.push({ cursor: cursor as Json, parts, rows })
    tellMarks()
  }

  function confirmed(part: number): void {
    unconfirmed.delete(part)
    tellMarks()
    proceed()
    wake()
  }

  /** The last mark that has no unconfirmed part before it is what a later attempt goes on from. */
  function tellMarks(): void {
    const firstUnconfirmed = unconfirmed.size === 0 ? parts : Math.min(...unconfirmed)
    const reached = marks.findLast((mark) => mark.parts <= firstUnconfirmed)
    if (reached === undefined) return
    marks = marks.slice(marks.indexOf(reached) + 1)
    onCheckpoint({ cursor: reached.cursor, parts: partList(reached) })
  }

  function partList(upTo: { readonly parts: number; readonly rows: number }): PartList {
    return upTo.parts === 0 ? before : [...before, { execution, parts: upTo.parts, rows: upTo.rows }]
  }

  function proceed(): void {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (!tryStep(first.step)) return
      waiting.shift()
      first.resolve()
    }
  }

  /** True when there is nothing more to do, because it is done or because it has failed. */
  function tryStep(step: Step): boolean {
    try {
      return step()
    } catch (error) {
      fail(error)
      return true
    }
  }

  /** @throws what has failed already: a rejection is no news to a handler that does not await it. */
  function perform(step: Step): Promise<void> {
    if (failure !== undefined) throw failure.error
    if (waiting.length === 0 && tryStep(step)) return outcome()
    const { promise, resolve, reject } = unheardPromise()
    waiting.push({ step, resolve, reject })
    return promise
  }

  function outcome(): Promise<void> {
    return failure === undefined ? Promise.resolve() : rejected(failure.error)
  }

  function performInHandler(step: Step): Promise<void> {
    if (hasEnded) return rejected(tooLate(taskId))
    if (waiting.length >= MAX_WAITING) throw fail(notAwaited())
    return perform(step)
  }

  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })

  return {
    emit(given) {
      let left = given
      let next = 0
      return performInHandler(() => {
        if (!Array.isArray(left)) throw notList(left)
        for (; next < left.length; next += 1) {
          while (buffer.isFull) if (!flush()) return false
          buffer.add(left[next])
        }
        // Packed, they are needed no more.
        left = []
        next = 0
        // A part that is full goes at once if it can, and with the next call if not.
        if (buffer.isFull) flush()
        return unconfirmed.size <= MAX_UNCONFIRMED
      })
    },

    checkpoint(given) {
      const isDue = clock() - flushedAt >= CHECKPOINT_FLUSH_MS
      let kept: Json | undefined
      return performInHandler(() => {
        if (kept === undefined) {
          assertCursor(given)
          // The handler may go on with the same object.
          kept = structuredClone(given)
          cursor = kept
          buffer.mark()
          if (!buffer.hasMarked) addMark()
        }
        return !isDue || !buffer.hasMarked || flush()
      })
    },

    async finish() {
      hasEnded = true
      await perform(() => {
        while (buffer.rows > 0) if (!flush()) return false
        return true
      })
      await confirmedOrFailed()
      if (failure !== undefined) throw failure.error
      signal.removeEventListener('abort', onAbort)
      return partList({ parts, rows })
    },

    async abandon() {
      hasEnded = true
      fail(new Error('the attempt has ended'))
      buffer.dropUnmarked()
      await within(ABANDON_MS, confirmMarked())
    },
  }

  async function confirmedOrFailed(): Promise<void> {
    if (unconfirmed.size === 0 || failure !== undefined) return
    await changed.promise
    await confirmedOrFailed()
  }

  async function confirmMarked(): Promise<void> {
    while (!isCutOff && (buffer.rows > 0 || marks.length > 0)) {
      if (buffer.rows === 0 || !flush()) await changed.promise
    }
  }
}

/** Who does not await it learns of it from how the attempt ends. */
function rejected(error: unknown): Promise<void> {
  const { promise, reject } = unheardPromise()
  reject(error)
  return promise
}

function unheardPromise(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>()
  made.promise.catch(() => undefined)
  return made
}

function assertCursor(cursor: unknown): void {
  const foreign = findNonJson(cursor)
  if (foreign !== undefined) {
    throw new NonRetryableError(
      'CHECKPOINT_INVALID',
      `The cursor of a checkpoint cannot be carried by JSON: ${foreign.replace('$', 'cursor')}. Give it what a later attempt needs to go on.`,
    )
  }
  const size = Buffer.byteLength(JSON.stringify(cursor))
  if (size <= MAX_CURSOR_BYTES) return
  throw new NonRetryableError(
    'CHECKPOINT_INVALID',
    `The cursor of a checkpoint is ${size} bytes of JSON; at most ${MAX_CURSOR_BYTES} are allowed, because it travels with each later attempt.`,
  )
}

function notList(given: unknown): NonRetryableError {
  const what = given === null ? 'null' : `a ${typeof given}`
  return new NonRetryableError('ROW_INVALID', `What was emitted is ${what}; emit takes a list of rows: emit([row]).`)
}

function notAwaited(): NonRetryableError {
  return new NonRetryableError(
    'EMIT_NOT_AWAITED',
    `${MAX_WAITING} calls of \`emit\` or \`checkpoint\` wait for the broker, and the handler goes on emitting. Await what they return: \`await emit(rows)\`.`,
  )
}

function tooLate(taskId: string): NonRetryableError {
  return new NonRetryableError(
    'EMIT_NOT_AWAITED',
    `The handler of task ${taskId} has ended: what it emits now is lost.`,
  )
}

import { findNonJson, type Json, type JsonObject, MAX_ROW_BYTES, NonRetryableError } from '@blockmill/core'

/** A checkpoint that was kept in a test. */
export interface RecordedCheckpoint {
  readonly cursor: Json
  /** How many rows had been emitted by then: these count for a later attempt, and those behind them do not. */
  readonly rows: number
}

/** An `emit` and a `checkpoint` that keep what they are given. */
export interface RowRecorder {
  /** Checks rows as the real one does, and rejects with the same codes. */
  readonly emit: (rows: readonly JsonObject[]) => Promise<void>
  readonly checkpoint: (cursor: Json) => Promise<void>
  /** What was emitted so far, in order. */
  readonly rows: readonly JsonObject[]
  readonly checkpoints: readonly RecordedCheckpoint[]
}

/**
 * Records what the handler of a range task emits, also of one that throws: `runRangeTask(task, { range, recorder })`. Rows are copied as
 * the job would keep them.
 */
export function recordRows(): RowRecorder {
  const rows: JsonObject[] = []
  const checkpoints: RecordedCheckpoint[] = []
  return {
    rows,
    checkpoints,
    async emit(given) {
      if (!Array.isArray(given)) throw invalid('emit takes a list of rows')
      for (const row of given) rows.push(asKept(row))
    },
    async checkpoint(cursor) {
      const foreign = findNonJson(cursor)
      if (foreign !== undefined) {
        const text = `The cursor of a checkpoint cannot be carried by JSON: ${foreign.replace('$', 'cursor')}.`
        throw new NonRetryableError('CHECKPOINT_INVALID', text)
      }
      checkpoints.push({ cursor: structuredClone(cursor), rows: rows.length })
    },
  }
}

function asKept(row: unknown): JsonObject {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw invalid('a row is an object')
  const foreign = findNonJson(row)
  if (foreign !== undefined) throw invalid(foreign.replace('$', 'row'))
  const text = JSON.stringify(row)
  const size = Buffer.byteLength(text)
  if (size <= MAX_ROW_BYTES) return JSON.parse(text) as JsonObject
  throw new NonRetryableError(
    'MESSAGE_TOO_LARGE',
    `A row is ${size} bytes of JSON; at most ${MAX_ROW_BYTES} are allowed.`,
  )
}

function invalid(why: string): NonRetryableError {
  return new NonRetryableError('ROW_INVALID', `What was emitted cannot be kept: ${why}.`)
}

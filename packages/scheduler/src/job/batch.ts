import type { BlockRange, FinalState, Json, SerializedError } from '@blockmill/core'

/** A batch, or a piece of one, before it is on record. */
export interface PlannedBatch extends BlockRange {
  /** Of the batch that it is, or is a piece of, counted from 1. */
  readonly number: number
  readonly taskId: string
  /** Null for as many as the job says. */
  readonly maxAttempts: number | null
}

/** A batch on record. */
export interface Batch extends PlannedBatch {
  readonly job: string
  /** Of the run of its task that counts; an earlier one does not. */
  readonly generation: number
}

/** A batch whose task is over, as the record has it. */
export interface EndedBatch extends Batch {
  readonly status: FinalState
  readonly result: Json
  readonly error: SerializedError | null
  readonly reason: string | null
}

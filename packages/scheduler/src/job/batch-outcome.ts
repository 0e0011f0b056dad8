import {
  type BlockRange,
  type Json,
  rangeSize,
  readManifest,
  type RowsManifest,
  type SerializedError,
} from '@blockmill/core'

import type { EndedBatch } from './batch.ts'

/** What the end of its task means for a batch. */
export type BatchOutcome =
  | { readonly type: 'succeeded'; readonly manifest: RowsManifest }
  /** Smaller batches take its place: to look for the block that fails, or because it has too much. */
  | { readonly type: 'split'; readonly pieces: readonly BlockRange[]; readonly isBisection: boolean }
  | { readonly type: 'failed'; readonly error: SerializedError }

export interface OutcomeRules {
  /** A batch that fails is cut no smaller than this. */
  readonly minBatch: number
  /** False when a batch that fails is not to be cut, whatever its size. */
  readonly mayBisect: boolean
}

/** Most pieces that one batch is cut into at once; they may be cut again. */
const MAX_PIECES = 1_000

/** Nothing about the blocks of a batch makes its task end so: every piece would. */
const NOT_OF_BLOCKS: readonly (string | null)[] = ['invalid_message', 'unknown_task', 'unknown_chain', 'invalid_args']

/**
 * Decides what becomes of a batch.
 *
 * | its task | the batch |
 * | --- | --- |
 * | succeeded | succeeded, when all of its rows are stored; failed when its result says nothing about rows |
 * | split: it has more than can be fetched at once | pieces of the size that the handler named, else halves |
 * | failed, or dead after too many deliveries | halves, unless it is as small as it gets or may not be cut |
 * | dead because nobody could execute it; cancelled | failed |
 */
export function outcomeOf(batch: EndedBatch, { minBatch, mayBisect }: OutcomeRules): BatchOutcome {
  const { status, result, reason } = batch
  if (status === 'succeeded') {
    const manifest = readManifest(result)
    if (manifest !== undefined) return { type: 'succeeded', manifest }
    return failed('ResultInvalid', 'its task has succeeded, but not as a range task does: its result names no rows')
  }
  const safeSize = splitSize(result)
  if (status === 'cancelled' && safeSize !== undefined && rangeSize(batch) > 1) {
    return { type: 'split', pieces: piecesOf(batch, safeSize), isBisection: false }
  }
  if (status === 'cancelled' || status === 'orphaned') return failed('Cancelled', reason ?? `its task is ${status}`)
  if (mayBisect && rangeSize(batch) > minBatch && !(status === 'dead' && NOT_OF_BLOCKS.includes(reason))) {
    return { type: 'split', pieces: halvesOf(batch, minBatch), isBisection: true }
  }
  return {
    type: 'failed',
    error: batch.error ?? errorOf('Dead', `its task is ${status}: ${reason ?? 'nobody knows why'}`),
  }
}

/** What was asked for by a handler that has too much; null when it did not say, `undefined` when it is none. */
function splitSize(result: Json): number | null | undefined {
  const split = (result as { readonly split?: { readonly safeSize?: unknown } } | null)?.split
  if (split === undefined) return undefined
  return typeof split.safeSize === 'number' && split.safeSize >= 1 ? Math.floor(split.safeSize) : null
}

function piecesOf(batch: BlockRange, safeSize: number | null): BlockRange[] {
  const blocks = rangeSize(batch)
  if (safeSize === null || safeSize >= blocks) return halvesOf(batch, 1)
  const size = Math.max(safeSize, Math.ceil(blocks / MAX_PIECES))
  return Array.from({ length: Math.ceil(blocks / size) }, (_, index) => {
    const from = batch.from + index * size
    return { from, to: Math.min(from + size - 1, batch.to) }
  })
}

/** Two halves, of which the first is so many times the smallest batch. */
function halvesOf({ from, to }: BlockRange, minBatch: number): BlockRange[] {
  const units = Math.ceil((to - from + 1) / minBatch)
  const middle = from + Math.ceil(units / 2) * minBatch
  return [
    { from, to: middle - 1 },
    { from: middle, to },
  ]
}

function failed(name: string, message: string): BatchOutcome {
  return { type: 'failed', error: errorOf(name, message) }
}

function errorOf(name: string, message: string): SerializedError {
  return { name, message, classes: [name] }
}

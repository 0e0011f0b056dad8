import {
  findNonJson,
  type Json,
  MAX_RESULT_BYTES,
  NonRetryableError,
  type SerializedError,
  serializeError,
} from '@blockmill/core'

/** How an attempt ended. */
export type Outcome =
  | { readonly type: 'succeeded'; readonly result?: Json }
  | { readonly type: 'failed'; readonly error: SerializedError }
  | { readonly type: 'postponed'; readonly delayMs: number | undefined; readonly reason: string }
  | { readonly type: 'cancelled'; readonly reason: string }
  /** The range of a batch is too large to be fetched at once; one of `safeSize` blocks is not, as far as that is known. */
  | { readonly type: 'split'; readonly safeSize: number | undefined; readonly error: SerializedError }
  /** It was not started before its expiry. */
  | { readonly type: 'expired'; readonly error: SerializedError }

/** The outcome of a handler that returned. What JSON cannot carry, and more than 256 KiB of it, fails the attempt. */
export function returnedOutcome(result: unknown): Outcome {
  if (result === undefined) return { type: 'succeeded' }
  const foreign = findNonJson(result)
  if (foreign !== undefined) {
    return failedOutcome(
      new NonRetryableError(
        'RESULT_NOT_JSON',
        `The handler's result cannot be carried by JSON: ${foreign.replace('$', 'result')}. Return plain objects, arrays, strings, finite numbers, booleans and null.`,
      ),
    )
  }
  const size = Buffer.byteLength(JSON.stringify(result))
  if (size > MAX_RESULT_BYTES) {
    return failedOutcome(
      new NonRetryableError(
        'RESULT_TOO_LARGE',
        `The handler's result is ${size} bytes of JSON; at most ${MAX_RESULT_BYTES} are allowed. Store the data elsewhere and return where it is.`,
      ),
    )
  }
  return { type: 'succeeded', result: result as Json }
}

/** The outcome of a handler that threw: `Postpone`, `Cancel` and `RangeTooLarge` steer, everything else is a failure. */
export function thrownOutcome(thrown: unknown): Outcome {
  const error = serializeError(thrown)
  // Matched by name: a tasks package may have a copy of the core of its own.
  if (error.classes.includes('Postpone')) {
    return { type: 'postponed', delayMs: validDelay(thrown as { readonly delayMs?: unknown }), reason: error.message }
  }
  if (error.classes.includes('Cancel')) return { type: 'cancelled', reason: error.message }
  if (error.classes.includes('RangeTooLarge')) {
    return { type: 'split', safeSize: validSize(thrown as { readonly safeSize?: unknown }), error }
  }
  return { type: 'failed', error }
}

function validSize({ safeSize }: { readonly safeSize?: unknown }): number | undefined {
  return typeof safeSize === 'number' && safeSize >= 1 && safeSize <= Number.MAX_SAFE_INTEGER
    ? Math.floor(safeSize)
    : undefined
}

function validDelay({ delayMs }: { readonly delayMs?: unknown }): number | undefined {
  return typeof delayMs === 'number' && Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : undefined
}

export function failedOutcome(error: unknown): Outcome {
  return { type: 'failed', error: serializeError(error) }
}

/** Longer than any provider asks for in earnest. */
const LONGEST_MS = 24 * 60 * 60_000

/**
 * Reads the header `Retry-After` of HTTP: seconds, or a date. `undefined` when it is missing or makes no sense.
 *
 * @returns milliseconds from `nowMs`, from 0 up to a day.
 */
export function parseRetryAfter(header: string | null | undefined, nowMs: number): number | undefined {
  if (header === null || header === undefined || header.trim() === '') return undefined
  const seconds = Number(header)
  return bounded(Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1_000)
}

/** Fields of an error's `data` in which providers say the same, in seconds, and what a second is worth in milliseconds. */
const FIELDS: readonly (readonly [field: string, unitMs: number])[] = [
  ['retryAfter', 1_000],
  ['retry_after', 1_000],
  ['backoff_seconds', 1_000],
  ['retryAfterMs', 1],
  ['retry_after_ms', 1],
]

/** How long a node wants to be left alone by the `data` of its error, or of the `rate` within. Milliseconds, up to a day. */
export function retryAfterOf(data: unknown): number | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const fields: Readonly<Record<string, unknown>> = { ...data }
  for (const [field, unitMs] of FIELDS) {
    const value = fields[field]
    if (typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')) {
      const waitMs = bounded(Number(value) * unitMs)
      if (waitMs !== undefined) return waitMs
    }
  }
  return retryAfterOf(fields['rate'])
}

function bounded(ms: number): number | undefined {
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_MS, Math.max(0, Math.ceil(ms)))
}

/** Whoever asks for more gets one request an hour: too little to harm, and enough to go on soon after a wrong date or a quota. */
const LONGEST_MS = 60 * 60_000

const SECONDS = /^-?\d+(\.\d+)?$/
/** All three forms that HTTP knows begin so (RFC 9110, 5.6.7). `Date.parse` takes nearly any text that ends in a number. */
const HTTP_DATE = /^(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?\b/i

/**
 * Reads the header `Retry-After` of HTTP: seconds, or a date. `undefined` when it is missing or makes no sense.
 *
 * @returns milliseconds from `nowMs`, from 0 up to an hour.
 */
export function parseRetryAfter(header: string | null | undefined, nowMs: number): number | undefined {
  const value = header?.trim() ?? ''
  if (SECONDS.test(value)) return bounded(Number(value) * 1_000)
  return HTTP_DATE.test(value) ? bounded(Date.parse(value) - nowMs) : undefined
}

/** Fields of an error's `data` in which providers say the same, in seconds, and what a second is worth in milliseconds. */
const FIELDS: readonly (readonly [field: string, unitMs: number])[] = [
  ['retryAfter', 1_000],
  ['retry_after', 1_000],
  ['backoff_seconds', 1_000],
  ['retryAfterMs', 1],
  ['retry_after_ms', 1],
]

/** How long a node wants to be left alone by the `data` of its error, or of the `rate` within. Milliseconds, up to an hour. */
export function retryAfterOf(data: unknown): number | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  return waitOf(data) ?? ('rate' in data ? waitOf(data.rate) : undefined)
}

function waitOf(data: unknown): number | undefined {
  const fields: Readonly<Record<string, unknown>> = { ...(typeof data === 'object' && data) }
  for (const [field, unitMs] of FIELDS) {
    const value = fields[field]
    if (typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')) {
      const waitMs = bounded(Number(value) * unitMs)
      if (waitMs !== undefined) return waitMs
    }
  }
  return undefined
}

function bounded(ms: number): number | undefined {
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_MS, Math.max(0, Math.ceil(ms)))
}

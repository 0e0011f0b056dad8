import ms from 'ms'
import { ConfigurationError } from '../errors/blockmill-error.ts'

/** A length of time: text such as `'250ms'`, `'5s'`, `'2m'`, `'24h'`, `'7d'`, or a number of milliseconds. */
export type Duration = number | ms.StringValue

/**
 * A duration in whole milliseconds.
 *
 * @param what names the setting in the error, for example `timeout of task 'snapshot'`.
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` when it is not a duration, not finite, or negative.
 */
export function durationMs(duration: Duration, what: string): number {
  const value = typeof duration === 'number' ? duration : parse(duration)
  if (value === undefined || !Number.isFinite(value) || value < 0) {
    throw new ConfigurationError(
      'TASK_DEFINITION_INVALID',
      `${what} is ${JSON.stringify(duration)}, which is not a duration. Use text such as '5s', '2m' or '24h', or a number of milliseconds from 0 up.`,
    )
  }
  return Math.round(value)
}

/** `5000` → `5s`, `90_000` → `1.5m`: how durations are shown to people. */
export function formatDuration(durationInMs: number): string {
  return durationInMs >= 1_000 ? shorten(durationInMs) : `${Math.round(durationInMs)}ms`
}

function shorten(durationInMs: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const) {
    if (durationInMs >= size) return `${Math.round((durationInMs / size) * 10) / 10}${unit}`
  }
  return `${Math.round(durationInMs / 100) / 10}s`
}

// ms answers undefined for what it cannot read, whatever its types say, and takes a bare number in text for milliseconds:
// a unit is required here, because '5' means five seconds to one reader and five minutes to the next.
function parse(text: string): number | undefined {
  return /^\d+(\.\d+)?\s*[a-z]+$/i.test(text) ? ms(text as ms.StringValue) : undefined
}

import { type ErrorCode, RetryableError } from '@blockmill/core'

/** Somebody waits for the command; services would wait for ever. */
const GIVE_UP_MS = 30_000

/** A signal that ends waiting for a service after 30 s, with an error that says so. */
export function givingUp(code: ErrorCode, what: string): AbortSignal {
  const giveUp = new AbortController()
  const error = new RetryableError(code, `${what} could not be reached within ${GIVE_UP_MS / 1_000} s.`)
  setTimeout(() => giveUp.abort(error), GIVE_UP_MS).unref()
  return giveUp.signal
}

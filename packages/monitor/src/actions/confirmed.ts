import { RetryableError, within } from '@blockmill/core'

/** Longest wait for the broker: whoever asked waits as long. */
const CONFIRM_WITHIN_MS = 8_000

/** @throws RetryableError `BROKER_PUBLISH_FAILED` when the broker has not confirmed in time; what it says itself. */
export async function confirmed(published: Promise<void>): Promise<void> {
  if (await within(CONFIRM_WITHIN_MS, published)) return
  // Nobody waits for it any more.
  published.catch(() => undefined)
  throw noBroker()
}

/** Nothing can be published. */
export function noBroker(): RetryableError {
  return new RetryableError('BROKER_PUBLISH_FAILED', 'The broker takes no messages at the moment. Try again later.')
}

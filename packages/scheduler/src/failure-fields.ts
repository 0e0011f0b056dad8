import { RetryableError } from '@blockmill/core'

/** What a log line says of a failure: the reason of one that heals by itself, everything of one that was not expected. */
export function failureFields(error: unknown): { readonly reason: string } | { readonly err: unknown } {
  return error instanceof RetryableError ? { reason: error.message } : { err: error }
}

import { BlockmillError, ConfigurationError } from '@blockmill/core'

import type { ServiceSource } from './service-settings.ts'

/** One way to get a service. */
export interface ServiceAttempt<T> {
  readonly source: ServiceSource
  /** Why this way is closed, found out quickly; undefined when it is worth a try. */
  missing(): Promise<string | undefined>
  start(): Promise<T>
  /** When starting fails, give up instead of going on to the next way. */
  readonly isFinal?: boolean
}

/**
 * Starts a service in the first way that works, telling `log` why each way before it did not.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` listing what was tried, in order, and what to do.
 */
export async function startFirstAvailable<T>(
  service: string,
  attempts: readonly ServiceAttempt<T>[],
  { log, advice }: { readonly log: (line: string) => void; readonly advice: string },
): Promise<T> {
  const reasons: string[] = []
  let lastCause: unknown
  for (const attempt of attempts) {
    const missing = await attempt.missing()
    if (missing !== undefined) {
      reasons.push(`${attempt.source}: ${missing}`)
      continue
    }
    try {
      return await attempt.start()
    } catch (cause) {
      lastCause = cause
      reasons.push(`${attempt.source}: ${describe(cause)}`)
      if (attempt.isFinal === true) break
      log(`${service} could not be started from ${attempt.source}, trying the next way. ${describe(cause)}`)
    }
  }
  throw new ConfigurationError(
    'SERVICE_UNAVAILABLE',
    `${service} is not available. Tried in this order:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}\n${advice}`,
    { cause: lastCause },
  )
}

function describe(cause: unknown): string {
  if (cause instanceof BlockmillError) return cause.message
  if (cause instanceof AggregateError) return cause.errors.map(describe).join('; ')
  return cause instanceof Error ? cause.message : String(cause)
}

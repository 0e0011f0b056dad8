import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'

/** Options of `waitFor`. */
export interface WaitForOptions {
  /** What is waited for, for the error message: 'the task to be recorded as succeeded'. */
  readonly describe: string
  /** Longest wait. Default 30 s: for a machine that is busy; what is waited for mostly comes within milliseconds. */
  readonly timeoutMs?: number
  /** Pause between two looks. Default 25 ms. */
  readonly intervalMs?: number
}

const TIMEOUT_MS = 30_000
const INTERVAL_MS = 25

/**
 * Looks again and again until `look` returns something truthy, and returns that. A look that throws counts as "not yet".
 * @throws Error saying what did not happen within the time; its cause is what the last look threw, if it did.
 */
export async function waitFor<T>(
  look: () => T | Promise<T>,
  { describe, timeoutMs = TIMEOUT_MS, intervalMs = INTERVAL_MS }: WaitForOptions,
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const outcome = await attempt(look)
    if ('value' in outcome && outcome.value) return outcome.value as Exclude<T, undefined | null | false | 0 | ''>
    if (performance.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${describe}. The last look ${describeOutcome(outcome)}.`, {
        cause: outcome.error,
      })
    }
    await delay(intervalMs)
  }
}

interface Outcome<T> {
  readonly value?: T
  readonly error?: unknown
}

async function attempt<T>(look: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await look() }
  } catch (error) {
    return { error }
  }
}

function describeOutcome({ value, error }: Outcome<unknown>): string {
  return error === undefined
    ? `returned ${inspect(value)}`
    : `failed: ${error instanceof Error ? error.message : inspect(error)}`
}

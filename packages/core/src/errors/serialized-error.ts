import { inspect } from 'node:util'

/** An error as data: how it travels in events, between processes, and into the record. */
export interface SerializedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  /** Names of the error's classes from its own up to `Error`, so that `retryOn` matches after a process border. */
  readonly classes: readonly string[]
  readonly code?: string
  /** Milliseconds the other side asked to wait, from an error's `retryAfter` (seconds, as in HTTP). */
  readonly retryAfterMs?: number
}

const MAX_MESSAGE = 4_000
const MAX_STACK = 16_000

/** Turns anything that was thrown into data. Long messages and stacks are cut, and say so. Never throws. */
export function serializeError(thrown: unknown): SerializedError {
  if (!(thrown instanceof Error)) {
    return {
      name: 'NonError',
      message: cut(`a handler threw ${describe(thrown)}, which is not an Error`, MAX_MESSAGE),
      classes: ['NonError'],
    }
  }
  const { code, retryAfter } = thrown as { code?: unknown; retryAfter?: unknown }
  return {
    name: thrown.name,
    message: cut(thrown.message, MAX_MESSAGE),
    ...(typeof thrown.stack === 'string' && { stack: cut(withCauses(thrown), MAX_STACK) }),
    classes: classNames(thrown),
    ...(typeof code === 'string' && { code }),
    ...(typeof retryAfter === 'number' && retryAfter >= 0 && { retryAfterMs: Math.round(retryAfter * 1_000) }),
  }
}

/** Names of an error's classes through the prototype chain, its own `name` first, `Error` last. */
export function classNames(error: Error): readonly string[] {
  const names = new Set([error.name])
  for (
    let at: unknown = Object.getPrototypeOf(error);
    at instanceof Error || at === Error.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    names.add((at as Error).constructor.name)
  }
  return [...names]
}

function withCauses(error: Error): string {
  const parts = [error.stack ?? String(error)]
  let cause = error.cause
  // Five levels tell the story; a chain that goes deeper, or in a circle, is not worth a larger record.
  for (let depth = 0; depth < 5 && cause instanceof Error; depth += 1) {
    parts.push(`caused by: ${cause.stack ?? String(cause)}`)
    cause = cause.cause
  }
  return parts.join('\n')
}

function describe(value: unknown): string {
  return inspect(value, { depth: 2, breakLength: Number.POSITIVE_INFINITY })
}

function cut(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}… (${text.length - limit} characters more)`
}

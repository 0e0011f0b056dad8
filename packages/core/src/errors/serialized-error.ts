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
/** Names and codes are words; whoever makes them longer puts data there. */
const MAX_WORD = 200
const MAX_CLASSES = 20

/** Turns anything that was thrown into data. What is long is cut, and says so: at most some 25,000 characters. Never throws. */
export function serializeError(thrown: unknown): SerializedError {
  try {
    return thrown instanceof Error ? errorAsData(thrown) : nonError(`threw ${describe(thrown)}, which is not an Error`)
  } catch {
    // Its getters, its inspection or its prototype throw; what it wanted to say is lost, that it was thrown is not.
    return nonError('threw something that cannot be inspected')
  }
}

function errorAsData(thrown: Error): SerializedError {
  const { code, retryAfter } = thrown as { code?: unknown; retryAfter?: unknown }
  return {
    name: cut(text(thrown.name), MAX_WORD),
    message: cut(text(thrown.message), MAX_MESSAGE),
    ...(typeof thrown.stack === 'string' && { stack: cut(withCauses(thrown), MAX_STACK) }),
    classes: classNames(thrown),
    ...(typeof code === 'string' && { code: cut(code, MAX_WORD) }),
    ...(Number.isFinite(retryAfter) &&
      (retryAfter as number) >= 0 && { retryAfterMs: Math.round((retryAfter as number) * 1_000) }),
  }
}

function nonError(what: string): SerializedError {
  return { name: 'NonError', message: cut(`a handler ${what}`, MAX_MESSAGE), classes: ['NonError'] }
}

/** Names of an error's classes through the prototype chain, its own `name` first, `Error` last. */
export function classNames(error: Error): readonly string[] {
  const names = new Set([cut(text(error.name), MAX_WORD)])
  for (
    let at: unknown = Object.getPrototypeOf(error);
    (at instanceof Error || at === Error.prototype) && names.size < MAX_CLASSES;
    at = Object.getPrototypeOf(at)
  ) {
    names.add(cut(text((at as Error).constructor.name), MAX_WORD))
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

// Nothing stops code from giving an error a name or a message of another type.
function text(value: unknown): string {
  return typeof value === 'string' ? value : describe(value)
}

function cut(long: string, limit: number): string {
  return long.length <= limit ? long : `${long.slice(0, limit)}… (${long.length - limit} characters more)`
}

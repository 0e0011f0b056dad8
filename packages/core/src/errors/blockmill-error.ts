import type { ErrorCode } from './error-codes.ts'

/** Who can put it right: nobody needs to (it heals), the one who called or configured, or nobody at all without a change. */
export type ErrorKind = 'retryable' | 'non-retryable' | 'configuration'

export interface BlockmillErrorOptions {
  /** The error underneath, kept whole. */
  readonly cause?: unknown
}

/**
 * Base of all errors that Blockmill raises itself. `code` is stable; the text says what happened, with which value, and
 * what to do.
 */
export abstract class BlockmillError extends Error {
  abstract readonly kind: ErrorKind
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options: BlockmillErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** It may work when tried again without changing anything: a connection that was cut, a node that timed out. */
export class RetryableError extends BlockmillError {
  readonly kind = 'retryable'
}

/** Trying again cannot help: the data or the request itself is wrong. */
export class NonRetryableError extends BlockmillError {
  readonly kind = 'non-retryable'
}

/** A setting, a task definition or a credential is wrong; the person who starts the service must act. Services exit with status 1. */
export class ConfigurationError extends BlockmillError {
  readonly kind = 'configuration'
}

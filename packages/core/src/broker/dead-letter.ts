/** Why a worker, or the monitor, put a message on the dead queue: it could not even be tried, or not be recorded. */
export const DEAD_REASONS = [
  'invalid_message',
  'unknown_task',
  'unknown_chain',
  'invalid_args',
  'not_recordable',
] as const
export type DeadReason = (typeof DEAD_REASONS)[number]

/**
 * Headers of a message that a worker or the monitor put on the dead queue. The body is the message as it came. Messages that the broker
 * put there itself, because they were over the delivery limit, have its `x-death` headers instead.
 */
export const DEAD_HEADERS = {
  /** One of `DEAD_REASONS`. */
  reason: 'x-blockmill-reason',
  /** What was wrong, for a person to read. */
  error: 'x-blockmill-error',
  /** The queue it was taken from. */
  queue: 'x-blockmill-queue',
  /** The worker that gave it up. */
  worker: 'x-blockmill-worker',
} as const

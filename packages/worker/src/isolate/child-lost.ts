import { formatBytes, RetryableError } from '@blockmill/core'

/**
 * The thread or process that ran an attempt ended before the attempt did. `retryOn` and `dontRetryOn` know it by the name
 * `ChildLost`.
 */
export class ChildLost extends RetryableError {
  constructor(text: string, cause?: unknown) {
    super('TASK_CHILD_LOST', text, { cause })
  }
}

/** How a child ended. */
export interface ChildEnd {
  readonly exitCode: number | null
  /** What killed a process. */
  readonly signal: string | null
  /** What a thread ended with, or why a process could not be started. */
  readonly error?: Error | undefined
}

/** The error of an attempt whose child ended under it, with all that is known. */
export function childLost(child: string, end: ChildEnd, memoryBytes: number): ChildLost {
  const memory = memoryBytes > 0 ? ` Its memory was ${formatBytes(memoryBytes)} when last seen.` : ''
  return new ChildLost(`The ${child} ran this attempt and ${describeEnd(end)}.${memory}`, end.error)
}

/** `exited with status 3`, `was ended by SIGKILL`. */
export function describeEnd({ exitCode, signal, error }: ChildEnd): string {
  if ((error as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') return 'ran out of memory'
  // V8 aborts the process when its heap is full; nothing else ends Node this way but an assertion inside of it.
  if (signal === 'SIGABRT' || exitCode === 134) return 'was ended by SIGABRT, as Node does when its heap is full'
  if (signal === 'SIGKILL') return 'was ended by SIGKILL, as the kernel does when memory runs out'
  if (signal !== null) return `was ended by ${signal}`
  if (error !== undefined) return `failed: ${error.message}`
  return `exited with status ${exitCode}`
}

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
  return new ChildLost(`The ${child} ran this attempt and ${describeEnd(end)}.${hint(end)}${memory}`, end.error)
}

/** `exited with status 3`, `was ended by SIGKILL`. */
export function describeEnd({ exitCode, signal, error }: ChildEnd): string {
  if ((error as { code?: unknown } | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY') return 'ran out of memory'
  if (signal !== null) return `was ended by ${signal}`
  return error === undefined ? `exited with status ${exitCode}` : `failed: ${error.message}`
}

function hint({ signal }: ChildEnd): string {
  if (signal === 'SIGABRT') return ' Node does that when its heap is full.'
  if (signal === 'SIGKILL') return ' The kernel does that when memory runs out.'
  return ''
}

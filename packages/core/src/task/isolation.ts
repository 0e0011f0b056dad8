import { type ByteSize, byteSize, formatBytes } from './byte-size.ts'

/**
 * Where a task's handler runs.
 *
 * | isolation | runs in | at its timeout | costs per attempt |
 * | --- | --- | --- | --- |
 * | `none` | the worker itself, beside other handlers | its signal is aborted; if it goes on, it is given up as stuck | nothing |
 * | `thread` | a worker thread of its own | aborted, then ended | a fraction of a millisecond |
 * | `process` | a process of its own | aborted, then killed | a fraction of a millisecond |
 */
export const ISOLATIONS = ['none', 'thread', 'process'] as const
export type Isolation = (typeof ISOLATIONS)[number]

/** Isolation of one task's handler. */
export interface IsolationOptions {
  /** Where the handler runs. Default `none`: in the worker's own thread. */
  readonly isolation?: Isolation
  /** Replaces the thread or process once it has run this many tasks, from 1 up. Default: the worker's, which is never. */
  readonly maxTasksPerChild?: number
  /**
   * Replaces the thread or process when it uses more memory than this after a task, from 16MiB up. What is measured is the
   * resident memory of a process, and the heap and buffers of a thread. Default: the worker's, which is no limit.
   */
  readonly maxMemoryPerChild?: ByteSize
}

/** The least memory limit of a thread or process: below, it would be replaced after every task. */
export const MIN_MEMORY_PER_CHILD = 16 * 2 ** 20

/** Every rule that the isolation of a task breaks, each as a sentence that names the value. */
export function isolationProblems({
  isolation = 'none',
  maxTasksPerChild,
  maxMemoryPerChild,
}: IsolationOptions): string[] {
  const problems: string[] = []
  if (!ISOLATIONS.includes(isolation)) {
    problems.push(`isolation is ${JSON.stringify(isolation)}; it must be one of ${ISOLATIONS.join(', ')}`)
  }
  if (maxTasksPerChild !== undefined && !(Number.isSafeInteger(maxTasksPerChild) && maxTasksPerChild >= 1)) {
    problems.push(`maxTasksPerChild is ${maxTasksPerChild}; it must be a whole number from 1 up`)
  }
  if (maxMemoryPerChild !== undefined) problems.push(...memoryProblems(maxMemoryPerChild))
  for (const [key, value] of Object.entries({ maxTasksPerChild, maxMemoryPerChild })) {
    if (value === undefined || isolation !== 'none') continue
    problems.push(`${key} is ${value}, but the task is not isolated; set isolation to 'thread' or 'process'`)
  }
  return problems
}

function memoryProblems(size: ByteSize): string[] {
  try {
    if (byteSize(size, 'maxMemoryPerChild') >= MIN_MEMORY_PER_CHILD) return []
    return [`maxMemoryPerChild is ${JSON.stringify(size)}; it must be at least ${formatBytes(MIN_MEMORY_PER_CHILD)}`]
  } catch (error) {
    return [(error as Error).message]
  }
}

import {
  type AnyChainAccess,
  ConfigurationError,
  type Enqueue,
  type JsonObject,
  type Logger,
  NonRetryableError,
  type TaskContext,
} from '@blockmill/core'
import type { HandlerAttempt } from './attempt.ts'

/**
 * What the handler of an attempt is given. Plain properties, so that a handler may take it apart or spread it; only what a
 * task does not have is a getter of the prototype, which throws when it is read and is left out of a spread.
 */
export function createTaskContext(
  { unit: { message }, item, abort }: HandlerAttempt,
  {
    chain,
    log,
    progress,
    enqueue,
  }: {
    readonly chain: AnyChainAccess | undefined
    readonly log: Logger
    readonly progress: TaskContext<never>['progress']
    readonly enqueue: Enqueue
  },
): TaskContext<JsonObject> {
  const context = {
    __proto__: absencesOf(message.task),
    args: item.args as JsonObject,
    signal: abort.signal,
    log,
    progress,
    enqueue,
    taskId: item.id,
    attempt: message.attempt,
    ...(item.block !== undefined && { block: item.block }),
    ...(chain !== undefined && { chain }),
  }
  return context as unknown as TaskContext<JsonObject>
}

/** By name of the task. */
const absences = new Map<string, object>()

/**
 * Getters for what a task may lack. Made once for each task: with getters of its own, each context would get a hidden class of its
 * own, which is old from the start and keeps the context and its message until the next full garbage collection.
 */
function absencesOf(task: string): object {
  let found = absences.get(task)
  if (found === undefined) {
    found = {
      get block(): never {
        throw new NonRetryableError(
          'TASK_WITHOUT_BLOCK',
          `Task '${task}' was enqueued without a block, and reads \`block\`.`,
        )
      },
      get chain(): never {
        throw new ConfigurationError(
          'CONFIG_INVALID',
          `Task '${task}' reads \`chain\`, but this worker has no chain. Set CHAIN_URL.`,
        )
      },
    }
    absences.set(task, found)
  }
  return found
}

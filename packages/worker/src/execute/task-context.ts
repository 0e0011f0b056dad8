import {
  type ChainAccess,
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
 * task does not have is a getter, which throws when it is read.
 */
export function createTaskContext(
  { unit: { message }, item, abort }: HandlerAttempt,
  {
    chain,
    log,
    progress,
    enqueue,
  }: {
    readonly chain: ChainAccess | undefined
    readonly log: Logger
    readonly progress: TaskContext<never>['progress']
    readonly enqueue: Enqueue
  },
): TaskContext<JsonObject> {
  const context = {
    block: item.block,
    args: item.args as JsonObject,
    chain,
    signal: abort.signal,
    log,
    progress,
    enqueue,
    taskId: item.id,
    attempt: message.attempt,
  }
  if (item.block === undefined) {
    throwOnRead(context, 'block', () => {
      return new NonRetryableError(
        'TASK_WITHOUT_BLOCK',
        `Task '${message.task}' was enqueued without a block, and reads \`block\`.`,
      )
    })
  }
  if (chain === undefined) {
    throwOnRead(context, 'chain', () => {
      return new ConfigurationError(
        'CONFIG_INVALID',
        `Task '${message.task}' reads \`chain\`, but this worker has no chain. Set CHAIN_URL.`,
      )
    })
  }
  return context as TaskContext<JsonObject>
}

function throwOnRead(context: object, key: string, error: () => Error): void {
  // Not enumerable, so that a spread leaves it out instead of throwing.
  Object.defineProperty(context, key, {
    enumerable: false,
    get() {
      throw error()
    },
  })
}

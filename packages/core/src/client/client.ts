import type { TaskBlock, TaskDefinition } from '../task/define-task.ts'
import type { Duration } from '../task/duration.ts'
import type { JsonObject } from '../task/json.ts'

/** How one task is to be run, where that differs from its definition. */
export interface EnqueueOptions {
  /** A whole number, lower goes first; 0 counts. Decides the lane as well. Default: the definition's. */
  readonly priority?: number | undefined
  /** Not before this time, or this long from now; a time that has passed means at once. At most a year ahead. Default: at once. */
  readonly executeAfter?: Duration | Date | undefined
  /** A task that was not started by then fails with the reason `expired`. At most a year ahead. Default: never. */
  readonly expires?: Duration | Date | undefined
  /**
   * Refuses a second live task with the same arguments (and block). Needs a database. Default: true for tasks without a block,
   * false for tasks of a block and inside of handlers.
   */
  readonly unique?: boolean | undefined
  /** Default: the definition's. */
  readonly queue?: string | undefined
  /** The block that the task is for, by number or, for tasks on the `latest` head, with its hash. Default: none. */
  readonly block?: number | TaskBlock | undefined
  /** The first task of the chain of tasks that this one belongs to. */
  readonly rootId?: string | undefined
  /** The task that this one was enqueued by. */
  readonly parentId?: string | undefined
  /** Executions in total, the first included. Default: the definition's. */
  readonly maxAttempts?: number | undefined
}

/** A task that the broker has confirmed. */
export interface EnqueuedTask {
  /** What the task is found by in the record. */
  readonly id: string
  /** False when a unique task of this id is waiting or running already: nothing new was started. */
  readonly isNew: boolean
}

/**
 * Enqueues one task by hand. Resolves when the broker has confirmed it. Given a definition, the arguments have its types; given
 * a name, it is looked up in the registry.
 *
 * @throws NonRetryableError `ENQUEUE_INVALID` listing every rule that arguments and options break, `TASK_UNKNOWN` for a name
 * that is not registered; ConfigurationError `CONFIG_INVALID` when what was asked for needs a registry or a database;
 * RetryableError `BROKER_PUBLISH_FAILED`, `DATABASE_UNREACHABLE`.
 */
export interface Enqueue {
  <Args extends JsonObject, Result>(
    task: TaskDefinition<Args, Result>,
    args: NoInfer<Args>,
    options?: EnqueueOptions,
  ): Promise<EnqueuedTask>
  (task: string, args: JsonObject, options?: EnqueueOptions): Promise<EnqueuedTask>
}

/** Enqueues tasks from any process. Made by `createClient`. */
export interface Client {
  readonly enqueue: Enqueue
}

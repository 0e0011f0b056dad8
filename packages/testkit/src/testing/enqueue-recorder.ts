import {
  createEnqueue,
  type Enqueue,
  type EnqueuedTask,
  type EnqueueOptions,
  type JsonObject,
  type TaskRegistry,
} from '@blockmill/core'

/** A task that was enqueued in a test. */
export interface RecordedEnqueue extends EnqueuedTask {
  readonly task: string
  readonly args: JsonObject
  readonly options: EnqueueOptions
}

/** An `enqueue` that publishes nothing and keeps what it was given. */
export interface EnqueueRecorder {
  /** Checks what it is given as the real one does, and throws the same errors. */
  readonly enqueue: Enqueue
  /** What was enqueued so far, in order. */
  readonly enqueued: readonly RecordedEnqueue[]
}

/**
 * Records what a handler enqueues: `runTask(task, { enqueue: recorder.enqueue })`.
 *
 * @param registry where tasks are looked up that are enqueued by name.
 */
export function recordEnqueues({ registry }: { readonly registry?: TaskRegistry } = {}): EnqueueRecorder {
  const enqueued: RecordedEnqueue[] = []
  const check = createEnqueue({ chain: 'test', registry, publish: async () => undefined })

  async function enqueue(
    task: string | { readonly name: string },
    args: JsonObject,
    options: EnqueueOptions = {},
  ): Promise<EnqueuedTask> {
    const outcome = await check(task as string, args, { unique: false, ...options })
    enqueued.push({ ...outcome, task: typeof task === 'string' ? task : task.name, args, options })
    return outcome
  }
  return { enqueue, enqueued }
}

import { createSilentLogger, type JsonObject, type TaskContext, type TaskDefinition } from '@blockmill/core'

/**
 * Runs a task's handler once, as a worker would, and gives what it returns or throws: for unit tests of tasks.
 *
 * @param context what the test cares about. The rest: block 1, no arguments, a signal that does not abort, a logger that
 * writes nothing, first attempt. Without `chain`, a handler that reads the chain throws.
 */
export async function runTask<Args extends JsonObject, Result>(
  definition: TaskDefinition<Args, Result>,
  context: Partial<TaskContext<Args>> = {},
): Promise<Result> {
  return definition.run({
    block: { number: 1 },
    args: {} as Args,
    signal: new AbortController().signal,
    log: createSilentLogger(),
    progress: () => undefined,
    taskId: '00000000-0001-8000-8000-000000000000',
    attempt: 1,
    get chain(): TaskContext<Args>['chain'] {
      throw new Error(`The test gave task '${definition.name}' no chain: runTask(task, { chain }).`)
    },
    ...context,
  })
}

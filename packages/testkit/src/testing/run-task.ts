import {
  argsProblems,
  createSilentLogger,
  findNonJson,
  type JsonObject,
  NonRetryableError,
  type TaskChainKind,
  type TaskContext,
  type TaskDefinition,
} from '@blockmill/core'
import { recordEnqueues } from './enqueue-recorder.ts'

/**
 * Runs a task's handler once, as a worker would, and gives what it returns or throws, `Postpone` and `Cancel` included: for unit
 * tests of tasks.
 *
 * @param context what the test cares about. The rest: block 1, no arguments, a signal that does not abort, a logger that
 * writes nothing, an `enqueue` that publishes nothing (see `recordEnqueues`), first attempt. Without `chain`, a handler that reads
 * the chain throws.
 * @throws NonRetryableError `MESSAGE_INVALID` for arguments that a worker would refuse, `RESULT_NOT_JSON` for a result that it
 * could not record.
 */
export async function runTask<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  definition: TaskDefinition<Args, Result, Kind>,
  context: Partial<TaskContext<Args, Kind>> = {},
): Promise<Result> {
  const { args = {} as Args } = context
  const problems = argsProblems(args, definition.schema)
  if (problems.length > 0) {
    throw new NonRetryableError('MESSAGE_INVALID', `Task '${definition.name}' would not be run: ${problems.join('; ')}`)
  }
  const result = await definition.run({
    block: { number: 1 },
    args,
    signal: new AbortController().signal,
    log: createSilentLogger(),
    progress: () => undefined,
    enqueue: recordEnqueues().enqueue,
    taskId: '00000000-0001-8000-8000-000000000000',
    attempt: 1,
    get chain(): TaskContext<Args, Kind>['chain'] {
      throw new Error(`The test gave task '${definition.name}' no chain: runTask(task, { chain }).`)
    },
    ...context,
  })
  const foreign = result === undefined ? undefined : findNonJson(result)
  if (foreign !== undefined) {
    throw new NonRetryableError(
      'RESULT_NOT_JSON',
      `The result of task '${definition.name}' cannot be carried by JSON: ${foreign.replace('$', 'result')}.`,
    )
  }
  return result
}

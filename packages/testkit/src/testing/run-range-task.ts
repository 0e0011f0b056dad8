import {
  argsProblems,
  type BlockRange,
  createSilentLogger,
  findNonJson,
  type Json,
  type JsonObject,
  NonRetryableError,
  type RangeTaskContext,
  type RangeTaskDefinition,
  type TaskChainKind,
} from '@blockmill/core'
import { recordEnqueues } from './enqueue-recorder.ts'

/** What became of a batch. */
export interface RangeTaskRun<Result> {
  /** All rows that were emitted, in their order. */
  readonly rows: readonly JsonObject[]
  /** What the handler returned. */
  readonly result: Result
  /** What the last checkpoint was given; `undefined` without one. */
  readonly cursor: Json | undefined
}

/**
 * Runs the handler of a range task once for one batch, as a worker would, and gives what it emitted and returned, or throws what it
 * throws, `RangeTooLarge` and `Postpone` included: for unit tests of range tasks.
 *
 * @param context the range, and what else the test cares about. The rest is as in `runTask`; `throttle` never waits.
 * @throws NonRetryableError `MESSAGE_INVALID` for arguments that a worker would refuse, `RESULT_NOT_JSON` for a row or a result that
 * it could not record.
 */
export async function runRangeTask<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  definition: RangeTaskDefinition<Args, Result, Kind>,
  context: Partial<RangeTaskContext<Args, Kind>> & { readonly range: BlockRange },
): Promise<RangeTaskRun<Result>> {
  const { args = {} as Args } = context
  const problems = argsProblems(args, definition.schema)
  if (problems.length > 0) {
    throw new NonRetryableError('MESSAGE_INVALID', `Task '${definition.name}' would not be run: ${problems.join('; ')}`)
  }
  const assertJson = (value: unknown, what: string): void => {
    const foreign = value === undefined ? undefined : findNonJson(value)
    if (foreign === undefined) return
    const text = `${what} of task '${definition.name}' cannot be carried by JSON: ${foreign}.`
    throw new NonRetryableError('RESULT_NOT_JSON', text)
  }
  const rows: JsonObject[] = []
  let kept = context.cursor
  const result = await definition.run({
    args,
    signal: new AbortController().signal,
    log: createSilentLogger(),
    progress: () => undefined,
    enqueue: recordEnqueues().enqueue,
    taskId: '00000000-0001-8000-8000-000000000000',
    attempt: 1,
    cursor: undefined,
    throttle: async () => undefined,
    async emit(more) {
      for (const row of more) assertJson(row, 'A row')
      rows.push(...more)
    },
    async checkpoint(cursor) {
      assertJson(cursor, 'The cursor')
      kept = cursor
    },
    get chain(): RangeTaskContext<Args, Kind>['chain'] {
      throw new Error(`The test gave task '${definition.name}' no chain: runRangeTask(task, { range, chain }).`)
    },
    ...context,
  })
  assertJson(result, 'The result')
  return { rows, result, cursor: kept }
}

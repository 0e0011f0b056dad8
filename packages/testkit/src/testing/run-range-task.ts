import {
  argsProblems,
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
import { type RecordedCheckpoint, recordRows, type RowRecorder } from './row-recorder.ts'

/** What became of a batch. */
export interface RangeTaskRun<Result> {
  /** All rows that were emitted, in their order. */
  readonly rows: readonly JsonObject[]
  readonly checkpoints: readonly RecordedCheckpoint[]
  /** What the last checkpoint was given; what the run began with where there was none. */
  readonly cursor: Json | undefined
  /** What the handler returned. */
  readonly result: Result
}

/** What a test of a range task cares about. */
export type RangeTaskRunContext<Args, Kind extends TaskChainKind> = Partial<RangeTaskContext<Args, Kind>> &
  Pick<RangeTaskContext<Args, Kind>, 'range'> & {
    /** Keeps rows and checkpoints also when the handler throws. */
    readonly recorder?: RowRecorder
  }

/**
 * Runs the handler of a range task once, for one batch, as a worker would, and throws what it throws, `RangeTooLarge` and `Postpone`
 * included: for unit tests of range tasks. To test that it goes on from a checkpoint, run it again with the `cursor` of that.
 *
 * @param context the range, and what else the test cares about. The rest is as for `runTask`; `throttle` resolves at once.
 * @throws NonRetryableError `MESSAGE_INVALID` for arguments that a worker would refuse, `RESULT_NOT_JSON` for a result that it could not
 * record, `ROW_INVALID` and `MESSAGE_TOO_LARGE` for rows, `CHECKPOINT_INVALID`.
 */
export async function runRangeTask<Args extends JsonObject, Result, Kind extends TaskChainKind>(
  definition: RangeTaskDefinition<Args, Result, Kind>,
  { recorder = recordRows(), ...context }: RangeTaskRunContext<Args, Kind>,
): Promise<RangeTaskRun<Result>> {
  const { args = {} as Args } = context
  const problems = argsProblems(args, definition.schema)
  if (problems.length > 0) {
    throw new NonRetryableError('MESSAGE_INVALID', `Task '${definition.name}' would not be run: ${problems.join('; ')}`)
  }
  // The attempt fails with a row that is refused, also when the handler does not look.
  let failure: { readonly error: unknown } | undefined
  const watched = (work: Promise<void>): Promise<void> => {
    work.catch((error: unknown) => {
      failure ??= { error }
    })
    return work
  }
  const result = await definition.run({
    args,
    cursor: undefined,
    emit: (rows) => watched(recorder.emit(rows)),
    checkpoint: (cursor) => watched(recorder.checkpoint(cursor)),
    throttle: async () => undefined,
    signal: new AbortController().signal,
    log: createSilentLogger(),
    progress: () => undefined,
    enqueue: recordEnqueues().enqueue,
    taskId: '00000000-0001-8000-8000-000000000000',
    attempt: 1,
    get chain(): RangeTaskContext<Args, Kind>['chain'] {
      throw new Error(`The test gave task '${definition.name}' no chain: runRangeTask(task, { range, chain }).`)
    },
    ...context,
  })
  if (failure !== undefined) throw failure.error
  const foreign = result === undefined ? undefined : findNonJson(result)
  if (foreign !== undefined) {
    throw new NonRetryableError(
      'RESULT_NOT_JSON',
      `The result of task '${definition.name}' cannot be carried by JSON: ${foreign.replace('$', 'result')}.`,
    )
  }
  const { rows, checkpoints } = recorder
  return { rows, checkpoints, cursor: checkpoints.at(-1)?.cursor ?? context.cursor, result }
}

import { randomUUID } from 'node:crypto'
import {
  NonRetryableError,
  readCheckpoint,
  type RangeCheckpoint,
  type RangeTaskContext,
  RangeTooLarge,
  type RowsManifest,
  type RowsPart,
} from '@blockmill/core'
import type { HandlerAttempt } from '../execute/attempt.ts'
import { createRowEmitter, type RowEmitter } from './row-emitter.ts'

/** What the handler of a batch reaches beside its own attempt. */
export interface RangePorts {
  /** Resolves when the broker has the part. Rejects only when it never will. */
  readonly publishPart: (attempt: HandlerAttempt, part: RowsPart) => Promise<void>
  /** Takes a permit of the task's rate limit. Rejects when the signal aborts. */
  readonly throttle: (attempt: HandlerAttempt) => Promise<void>
  /** Told of each checkpoint that a later attempt can go on from, beside the attempt itself. */
  readonly onCheckpoint?: (checkpoint: RangeCheckpoint) => void
}

/**
 * Executions that may have left rows behind before a batch is cut to pieces, each of which begins anew. They are named one by one in
 * each message of the batch and in its result, which must not outgrow 256 KiB.
 */
const MAX_EXECUTIONS = 1_000

/** What the context of a batch has and that of a task for a block has not. */
type RangeAdditions = Pick<RangeTaskContext<never, never>, 'range' | 'cursor' | 'emit' | 'checkpoint' | 'throttle'>

/**
 * Calls the handler of a batch with what it emits its rows with. What it returns becomes part of the manifest, when the broker has
 * all rows; when it throws, what it keeps for a later attempt is in `attempt.checkpoint`.
 *
 * @param call runs the handler, given what its context has on top.
 * @throws what the handler throws; what is wrong with its rows; NonRetryableError `TASK_WITHOUT_RANGE` for what is no batch of a job;
 * RangeTooLarge for a batch that has gone on from a checkpoint a thousand times.
 */
export async function runRange(
  attempt: HandlerAttempt,
  ports: RangePorts,
  call: (additions: RangeAdditions) => unknown,
): Promise<RowsManifest> {
  const { unit, item, abort } = attempt
  const { rootId: job, checkpoint: from } = unit.message
  if (item.range === undefined || job === undefined) throw withoutRange(unit.message.task)
  const start = from === undefined ? undefined : readCheckpoint(from)
  if (start !== undefined && start.parts.length >= MAX_EXECUTIONS) throw new RangeTooLarge(TOO_MANY_EXECUTIONS)
  const rows = createRowEmitter({
    job,
    taskId: item.id,
    execution: randomUUID(),
    before: start?.parts ?? [],
    publish: (part) => ports.publishPart(attempt, part),
    onCheckpoint(checkpoint) {
      attempt.checkpoint = checkpoint
      ports.onCheckpoint?.(checkpoint)
    },
    signal: abort.signal,
  })
  return manifestOf(rows, () =>
    call({
      range: item.range as RangeTaskContext<never>['range'],
      cursor: start?.cursor,
      emit: rows.emit,
      checkpoint: rows.checkpoint,
      throttle: () => ports.throttle(attempt),
    }),
  )
}

async function manifestOf(rows: RowEmitter, handler: () => unknown): Promise<RowsManifest> {
  try {
    const value = await handler()
    const parts = await rows.finish()
    return {
      rows: parts.reduce((sum, one) => sum + one.rows, 0),
      parts,
      ...(value !== undefined && { value: value as NonNullable<RowsManifest['value']> }),
    }
  } catch (error) {
    await rows.abandon()
    throw error
  }
}

const TOO_MANY_EXECUTIONS = `The batch has gone on from a checkpoint ${MAX_EXECUTIONS} times, with rows each time. Make batches smaller, or postpone less often.`

function withoutRange(task: string): NonRetryableError {
  return new NonRetryableError(
    'TASK_WITHOUT_RANGE',
    `Task '${task}' is a range task, and was enqueued by itself. Start a range job with it: blockmill jobs start ${task}.`,
  )
}

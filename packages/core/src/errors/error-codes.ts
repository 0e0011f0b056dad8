/**
 * Every error code of Blockmill, with who must act. One registry, so that code, types and `docs/errors.md` stay in step
 * (`error-codes.test.ts` compares them). Codes are stable: they may be matched on by users and alerts.
 */
export const ERROR_CODES = {
  CONFIG_INVALID: 'A setting is missing, malformed, out of range or unknown.',
  TASK_DEFINITION_INVALID: 'A task definition breaks a rule: its name, queue, arguments, retry policy or limits.',
  TASK_MODULE_FAILED: 'A module of the tasks package could not be imported.',
  TASK_NAME_TAKEN: 'Two task definitions have the same name.',
  TLS_REFUSED:
    'A certificate is not trusted, expired, for another name or missing, or the other side does not speak TLS.',
  BROKER_REFUSED: 'The broker refused the credentials, the virtual host or the protocol.',
  BROKER_UNREACHABLE: 'The broker could not be reached or went away.',
  BROKER_TOPOLOGY_MISMATCH: 'A queue or exchange exists with other arguments than Blockmill declares.',
  BROKER_PUBLISH_FAILED:
    'The broker did not confirm a message: it was rejected, returned or timed out, or its queue is gone.',
  DATABASE_REFUSED: 'PostgreSQL refused the credentials or the database does not exist.',
  DATABASE_UNREACHABLE: 'PostgreSQL could not be reached or went away.',
  DATABASE_SCHEMA_OUTDATED: 'The database schema is older or newer than this version of Blockmill expects.',
  SCHEDULER_LEASE_LOST: 'Another scheduler has taken over the chain, and a write of the former one is refused.',
  CHAIN_UNREACHABLE: 'No chain endpoint could be reached, or a request timed out.',
  CHAIN_WRONG_GENESIS: 'An endpoint serves another chain than the one this name is bound to.',
  CHAIN_RPC_FAILED: 'The chain node answered a request with an error.',
  CHAIN_DATA_INVALID: 'The chain node answered with data that cannot be decoded.',
  CHAIN_REORGANISED: 'The chain has replaced blocks while tasks were scheduled for them.',
  MESSAGE_INVALID: 'A message body is not what its schema says.',
  MESSAGE_TOO_LARGE: 'Arguments, a result or a message exceed their size limit.',
  RANGE_INVALID: 'A block range or batch size breaks a rule.',
  ROW_INVALID: 'A range task emitted what is no row: rows are objects that JSON can carry, given in a list.',
  CHECKPOINT_INVALID: 'The cursor of a checkpoint is not JSON, or is larger than 64 KiB.',
  EMIT_NOT_AWAITED: 'A range task emitted on and on without awaiting `emit`, so that its rows piled up in memory.',
  RESULTS_INCOMPLETE: 'The rows of a range job are not complete: it is not completed, or some of its parts are gone.',
  EXPORT_INVALID:
    'Rows cannot be exported as asked: a row does not fit the columns, a column is unknown, or the file exists.',
  TASK_WITHOUT_RANGE: 'A range task was enqueued without a range or outside of a range job.',
  RESULT_NOT_JSON: 'A handler returned something that JSON cannot carry.',
  RESULT_TOO_LARGE: 'A handler returned more than 256 KiB of JSON.',
  CONTROL_INVALID: 'A control command names something that cannot be: what is no task id, say.',
  ENQUEUE_INVALID: 'A task cannot be enqueued as asked: its arguments, queue, priority, times or ids break a rule.',
  COVERAGE_UNKNOWN: 'There is no coverage of a task or chain of this name on record.',
  BACKFILL_INVALID:
    'A back-fill cannot be started as asked: its blocks, arguments, chunk, window or rate break a rule.',
  BACKFILL_UNKNOWN: 'No back-fill with this id is on record.',
  BACKFILL_CONFLICT: 'A back-fill cannot be paused, resumed or cancelled in the state that it is in.',
  RANGE_JOB_INVALID:
    'A range job cannot be started as asked: its blocks, batch size, arguments, window, queue or sink break a rule.',
  RANGE_JOB_UNKNOWN: 'No range job with this id is on record.',
  RANGE_JOB_CONFLICT:
    'A range job cannot be paused, resumed, cancelled, retried, read or deleted in the state that it is in.',
  DEAD_LETTER_UNKNOWN: 'No dead letter with this id is on record.',
  DEAD_LETTER_CONFLICT: 'A dead letter carries no task that could be run again.',
  TASK_UNKNOWN: 'No task of this name is registered.',
  TASK_WITHOUT_BLOCK: 'A handler read the block of a task that was enqueued without one.',
  TASK_TIMED_OUT: 'An attempt ran longer than its timeout.',
  TASK_EXPIRED: 'A task was not started before its expiry.',
  TASK_STUCK: 'A handler ignored its aborted signal past the grace period.',
  TASK_CHILD_LOST: 'The thread or process that ran an attempt ended before the attempt did, or could not be started.',
  MAX_POSTPONES_REACHED: 'A task postponed itself more often than its limit allows.',
  WORKER_STOPPING: 'A worker stopped before an attempt had ended; the task will be delivered again.',
  SERVICE_UNAVAILABLE: 'A private broker or database for tests and the demo could not be started.',
} as const

/** A stable identifier of what went wrong. */
export type ErrorCode = keyof typeof ERROR_CODES

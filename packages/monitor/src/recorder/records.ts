import { type AttemptRecord, attemptKey, mergeAttempts } from './attempt-record.ts'
import { lostRun } from './lost-run.ts'
import { mergeTasks, type TaskRecord } from './task-record.ts'
import { mergeWorkers, type WorkerRecord } from './worker-record.ts'

/** What one message, or a batch of them, says. */
export interface Records {
  readonly tasks: readonly TaskRecord[]
  readonly attempts: readonly AttemptRecord[]
  readonly workers: readonly WorkerRecord[]
}

/** Number of rows that records become. */
export function countRecords({ tasks, attempts, workers }: Records): number {
  return tasks.length + attempts.length + workers.length
}

/** When the latest of what is recorded happened, in Unix milliseconds; `undefined` when there is nothing. */
export function latestTime({ tasks, workers }: Records): number | undefined {
  const times = [...tasks.map(({ state }) => state.changedAt), ...workers.map(({ lastSeenAt }) => lastSeenAt)]
  return times.length === 0 ? undefined : times.reduce((a, b) => Math.max(a, b))
}

/** Records one by one, for finding the one that cannot be stored. */
export function splitRecords({ tasks, attempts, workers }: Records): Records[] {
  return [
    ...tasks.map((task) => ({ tasks: [task], attempts: [], workers: [] })),
    ...attempts.map((attempt) => ({ tasks: [], attempts: [attempt], workers: [] })),
    ...workers.map((worker) => ({ tasks: [], attempts: [], workers: [worker] })),
  ]
}

/**
 * A batch as rows: one for each task, attempt and worker, sorted by key, so that recorders that write at the same time lock
 * rows in the same order and never wait for each other in a circle.
 */
export function foldBatch(batch: Iterable<Records>): Records {
  const tasks = new Map<string, TaskRecord>()
  const attempts = new Map<string, AttemptRecord>()
  const workers = new Map<string, WorkerRecord>()
  for (const records of batch) {
    for (const task of records.tasks) {
      const present = tasks.get(task.id)
      const lost = present && lostRun(present, task)
      if (lost !== undefined) put(attempts, attemptKey(lost), lost, mergeAttempts)
      put(tasks, task.id, task, mergeTasks)
    }
    for (const attempt of records.attempts) put(attempts, attemptKey(attempt), attempt, mergeAttempts)
    for (const worker of records.workers) put(workers, worker.heartbeat.worker, worker, mergeWorkers)
  }
  return { tasks: sortedByKey(tasks), attempts: sortedByKey(attempts), workers: sortedByKey(workers) }
}

function put<Value>(map: Map<string, Value>, key: string, value: Value, merge: (a: Value, b: Value) => Value): void {
  const present = map.get(key)
  map.set(key, present === undefined ? value : merge(present, value))
}

function sortedByKey<Value>(map: ReadonlyMap<string, Value>): Value[] {
  return [...map.keys()].sort().map((key) => map.get(key) as Value)
}

import {
  type Database,
  isFinal,
  TaskAttemptEntity,
  type TaskAttemptRow,
  TaskEntity,
  type TaskRow,
  WorkerEntity,
} from '@blockmill/core'

import { isRunLost } from './lost-worker.ts'
import type { Attempt, TaskDetail } from './task-schemas.ts'
import { commonOf, isoTime } from './task-view.ts'

/** Everything that is known of a task; `undefined` when there is none of this id. */
export async function readTask(database: Database, id: string, now: Date): Promise<TaskDetail | undefined> {
  const em = database.em()
  const task = await em.findOne(TaskEntity, { id })
  if (task === null) return undefined
  const ended = await em.find(
    TaskAttemptEntity,
    { taskId: id },
    { orderBy: [{ generation: 'asc' }, { attempt: 'asc' }, { postpones: 'asc' }, { finishedAt: 'asc' }] },
  )
  const worker = task.worker === null ? null : await em.findOne(WorkerEntity, { name: task.worker })
  const { error, result, rootId, parentId } = task
  const isLostRun =
    task.status === 'running' && task.startedAt !== null && worker !== null && isRunLost(task.startedAt, worker, now)
  const attempts = [...ended.map(attemptOf), ...presentAttempt(task, ended, isLostRun)]
  return { ...commonOf(task), error, result, rootId, parentId, attempts }
}

/** The attempt that only the task's own row tells of: the one that runs, or ran when its worker was lost, or succeeded. */
function presentAttempt(task: TaskRow, ended: readonly TaskAttemptRow[], isLostRun: boolean): Attempt[] {
  const isKnown = ended.some(
    ({ generation, attempt, postpones, outcome }) =>
      generation === task.generation &&
      attempt === task.attempt &&
      postpones === task.postpones &&
      (outcome === task.status || outcome === 'split'),
  )
  if (isKnown || task.startedAt === null || !(task.status === 'running' || isFinal(task.status))) return []
  return [
    {
      generation: task.generation,
      attempt: task.attempt,
      postpones: task.postpones,
      outcome: isLostRun ? 'lost' : task.status,
      startedAt: isoTime(task.startedAt),
      finishedAt: isoTime(task.finishedAt),
      worker: task.worker,
      error: task.error,
      reason: task.reason,
      delayMs: null,
    },
  ]
}

function attemptOf(attempt: TaskAttemptRow): Attempt {
  return {
    generation: attempt.generation,
    attempt: attempt.attempt,
    postpones: attempt.postpones,
    outcome: attempt.outcome,
    startedAt: isoTime(attempt.startedAt),
    finishedAt: isoTime(attempt.finishedAt),
    worker: attempt.worker === '' ? null : attempt.worker,
    error: attempt.error,
    reason: attempt.reason,
    delayMs: attempt.delayMs,
  }
}

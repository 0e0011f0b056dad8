import type { AttemptRecord } from './attempt-record.ts'
import type { TaskRecord } from './task-record.ts'

/**
 * The run that was lost, if two records of one task are of two runs of the same attempt and nothing is known of the earlier
 * but that it ran: its worker died, and the broker gave the task to the next. Within a batch, where no update is made that
 * the database could see; between batches, its trigger says the same.
 */
export function lostRun(a: TaskRecord, b: TaskRecord): AttemptRecord | undefined {
  const [startedA, startedB] = [a.state.startedAt, b.state.startedAt]
  if (startedA === null || startedB === null || startedA === startedB) return undefined
  const [earlier, later] = startedA < startedB ? [a.state, b.state] : [b.state, a.state]
  const { generation, attempt, postpones, startedAt, worker } = earlier
  const isSameAttempt = generation === later.generation && attempt === later.attempt && postpones === later.postpones
  if (earlier.state !== 'running' || !isSameAttempt || startedAt === null) return undefined
  return {
    taskId: a.id,
    generation,
    attempt,
    postpones,
    outcome: 'lost',
    startedAt,
    finishedAt: Math.max(startedA, startedB),
    worker: worker ?? '',
    error: null,
    reason: null,
    delayMs: null,
  }
}

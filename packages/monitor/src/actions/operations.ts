import { randomUUID } from 'node:crypto'

import { TASK_ACTIONS, type TaskOutcome } from './task-action.ts'

/** What is done with many: to tasks, or to the messages of a queue. */
export const OPERATION_ACTIONS = [...TASK_ACTIONS, 'move'] as const
export type OperationAction = (typeof OPERATION_ACTIONS)[number]

/** `stopped`: the monitor was stopped. `failed`: the database or the broker was away. What is done stays done. */
export const OPERATION_STATES = ['running', 'completed', 'cancelled', 'failed', 'stopped'] as const
export type OperationState = (typeof OPERATION_STATES)[number]

/** Work on many tasks that goes on in the background, and how far it is. */
export interface Operation {
  readonly id: string
  readonly action: OperationAction
  readonly createdBy: string
  readonly state: OperationState
  readonly createdAt: Date
  readonly finishedAt: Date | null
  /** How many tasks it is for. */
  readonly total: number
  readonly done: number
  /** Tasks that were refused, or are not on record. */
  readonly failed: number
  /** The first of these, and why. */
  readonly problems: readonly { readonly id: string; readonly why: string }[]
  /** Why it has failed. */
  readonly error: string | null
}

/** What is to be done, step by step. */
export interface OperationWork {
  readonly action: OperationAction
  readonly createdBy: string
  readonly total: number
  /** Does one batch after the other, and says what became of it. When it is to end, it is told so by `return`. */
  readonly steps: () => AsyncIterable<readonly TaskOutcome[]>
}

/** Operations of this process: they end with it, and another monitor does not know them. */
export interface Operations {
  /** Starts an operation; `undefined` when as many run as may. */
  start(work: OperationWork): Operation | undefined
  /** False when as many run as may. */
  hasRoom(): boolean
  find(id: string): Operation | undefined
  /** Ends it after the batch that is under way. One that has ended stays as it is. */
  cancel(id: string): void
  /** Ends all. Resolves when none runs. Idempotent. */
  stop(): Promise<void>
}

export interface OperationsOptions {
  readonly now: () => Date
  /** Most that run at once. Default 4. */
  readonly maxRunning?: number
  /** Most that are remembered; those that ended first are forgotten first. Default 100. */
  readonly maxKept?: number
}

const MAX_PROBLEMS = 20

/** See `Operations`. */
export function createOperations({ now, maxRunning = 4, maxKept = 100 }: OperationsOptions): Operations {
  const kept = new Map<string, Operation>()
  const running = new Map<string, { readonly stopping: AbortController; readonly ended: Promise<void> }>()
  let isStopped = false

  const update = (id: string, change: (operation: Operation) => Partial<Operation>): void => {
    const operation = kept.get(id)
    if (operation !== undefined) kept.set(id, { ...operation, ...change(operation) })
  }
  const end = (id: string, state: OperationState, error: string | null = null): void =>
    update(id, () => ({ state, error, finishedAt: now() }))

  const run = async (id: string, { steps }: OperationWork, { signal }: AbortController): Promise<void> => {
    try {
      for await (const outcomes of steps()) {
        update(id, (operation) => tally(operation, outcomes))
        if (signal.aborted) return end(id, isStopped ? 'stopped' : 'cancelled')
      }
      end(id, 'completed')
    } catch (error) {
      end(id, 'failed', (error as Error).message)
    } finally {
      running.delete(id)
    }
  }

  const hasRoom = (): boolean => !isStopped && running.size < maxRunning

  return {
    hasRoom,
    start(work) {
      if (!hasRoom()) return undefined
      const { action, createdBy, total } = work
      const id = randomUUID()
      const counts = { total, done: 0, failed: 0, problems: [], error: null }
      const operation: Operation = {
        id,
        action,
        createdBy,
        state: 'running',
        createdAt: now(),
        finishedAt: null,
        ...counts,
      }
      kept.set(id, operation)
      const [oldest] = [...kept.keys()].filter((one) => one !== id && !running.has(one))
      if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest)
      const stopping = new AbortController()
      // Not before whoever asks has the answer, nor in the middle of it.
      const ended = Promise.resolve().then(() => run(id, work, stopping))
      running.set(id, { stopping, ended })
      return operation
    },
    find: (id) => kept.get(id),
    cancel: (id) => running.get(id)?.stopping.abort(),
    async stop() {
      isStopped = true
      const all = [...running.values()]
      for (const { stopping } of all) stopping.abort()
      await Promise.all(all.map(({ ended }) => ended))
    },
  }
}

function tally({ done, failed, problems }: Operation, outcomes: readonly TaskOutcome[]): Partial<Operation> {
  const refused = outcomes.flatMap((outcome) => {
    if (outcome.type === 'done') return []
    return [{ id: outcome.id, why: outcome.type === 'unknown' ? 'is not on record' : outcome.why }]
  })
  return {
    done: done + outcomes.length - refused.length,
    failed: failed + refused.length,
    problems: [...problems, ...refused].slice(0, MAX_PROBLEMS),
  }
}

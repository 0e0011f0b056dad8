import type { CancelledTask } from '@blockmill/core'

/** Most cancelled tasks that a worker remembers: as many as a `state` message holds, and as many again. */
const REMEMBERED = 20_000
/** A cancelled task whose message has not come within a day is with somebody else, or nowhere. */
const REMEMBERED_FOR_MS = 24 * 60 * 60 * 1_000

/** The tasks that were called off and may still arrive. */
export interface CancelledTasks {
  readonly size: number
  add(cancelled: CancelledTask): void
  /** True when this run of the task was called off. A run planned after the cancel, a replay say, was not. */
  has(task: { readonly taskId: string; readonly generation: number }): boolean
}

/** A bounded memory: beyond its size and its time, what was cancelled first is forgotten first. */
export function createCancelledTasks({ now }: { readonly now: () => number }): CancelledTasks {
  const cancelledAt = new Map<string, number>()

  const forget = (): void => {
    for (const [taskId, at] of cancelledAt) {
      if (cancelledAt.size <= REMEMBERED && at > now() - REMEMBERED_FOR_MS) return
      cancelledAt.delete(taskId)
    }
  }

  return {
    get size() {
      return cancelledAt.size
    },
    add(cancelled) {
      const at = Math.max(cancelled.cancelledAt, cancelledAt.get(cancelled.taskId) ?? 0)
      // To the end: what is told again is what somebody still waits for.
      cancelledAt.delete(cancelled.taskId)
      cancelledAt.set(cancelled.taskId, at)
      forget()
    },
    has({ taskId, generation }) {
      const at = cancelledAt.get(taskId)
      return at !== undefined && generation <= at && at > now() - REMEMBERED_FOR_MS
    },
  }
}

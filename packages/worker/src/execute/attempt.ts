import type { RangeCheckpoint, TaskItem } from '@blockmill/core'
import type { WorkUnit } from '../consume/work-unit.ts'

/** What a handler needs of its attempt, wherever it runs. */
export interface HandlerAttempt {
  readonly unit: Pick<WorkUnit, 'message' | 'definition'>
  readonly item: TaskItem
  /** Aborts the handler's signal. */
  readonly abort: AbortController
  /** Where a batch goes on that is tried again; absent as long as its handler has kept nothing in this attempt. */
  checkpoint?: RangeCheckpoint
}

/** One execution of one task. */
export interface Attempt extends HandlerAttempt {
  readonly unit: WorkUnit
  readonly startedAtMs: number
}

/** What events and heartbeats say about an attempt. */
export function attemptFacts({ unit: { message }, item }: Pick<Attempt, 'unit' | 'item'>) {
  return {
    taskId: item.id,
    chain: message.chain,
    task: message.task,
    ...(item.block !== undefined && { block: item.block.number }),
    ...(message.generation !== undefined && { generation: message.generation }),
    attempt: message.attempt,
    postpones: message.postpones,
  }
}

export function createAttempt(unit: WorkUnit, item: TaskItem, startedAtMs: number): Attempt {
  return { unit, item, startedAtMs, abort: new AbortController() }
}

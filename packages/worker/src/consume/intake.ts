import {
  argsProblems,
  type ArgsSchema,
  type ChainKind,
  type DeadReason,
  type Delivery,
  isForChainKind,
  type TaskItem,
  type TaskMessage,
  taskMessageCodec,
  type TaskRegistry,
} from '@blockmill/core'
import { createWorkUnit, findDefinition, type WorkUnit } from './work-unit.ts'

/** What is to be done with a message that arrives. */
export type Admission =
  /** Its items run, all but those that were refused. */
  | { readonly type: 'run'; readonly unit: WorkUnit; readonly refused?: Refusal }
  /** Its delay is not over; the rest is waited for in the broker. */
  | { readonly type: 'early'; readonly message: TaskMessage; readonly remainingMs: number }
  /** Its task is not registered here. A worker with newer code may know it, or this one after the next deployment. */
  | { readonly type: 'unknown'; readonly message: TaskMessage; readonly waits: number; readonly waitMs: number }
  /** It cannot be run by anybody, or not by this worker: it goes to the dead queue as it came. */
  | { readonly type: 'dead'; readonly reason: DeadReason; readonly error: string }

/** Items of a chunk whose arguments do not fit, as a message of their own. */
export interface Refusal {
  readonly message: TaskMessage
  readonly error: string
}

/**
 * How often and how long a message waits for a worker that knows its task, in smallest delays: some six minutes in all by default, for
 * the time in which workers are replaced.
 */
const WAITS_FOR_TASK = [1, 5, 15, 60, 300] as const

/** Header of a message that counts these waits. */
export const UNKNOWN_TASK_HEADER = 'x-blockmill-unknown-task'

export interface IntakeOptions {
  readonly registry: TaskRegistry
  /** The chain that the worker has access to; without, it takes tasks of every chain. */
  readonly chain: { readonly id: string; readonly kind: ChainKind } | undefined
  /** The smallest delay there is. */
  readonly smallestDelayMs: number
  readonly now: () => number
}

/** Decides what is to be done with each delivery: decoded, checked against the task definitions, and looked at for its time. */
export function createIntake({ registry, chain, smallestDelayMs, now }: IntakeOptions) {
  let sequence = 0

  return function admit(delivery: Delivery): Admission {
    let message: TaskMessage
    try {
      message = taskMessageCodec.decode(delivery.body)
    } catch (error) {
      return { type: 'dead', reason: 'invalid_message', error: (error as Error).message }
    }
    if (chain !== undefined && message.chain !== chain.id) {
      const error = `The task is for chain '${message.chain}', but this worker is connected to '${chain.id}'. Run the workers of different chains on different queues.`
      return { type: 'dead', reason: 'unknown_chain', error }
    }
    const definition = findDefinition(registry, message.task)
    if (definition === undefined) {
      const waits = countWaits(delivery)
      const wait = WAITS_FOR_TASK[waits]
      if (wait !== undefined) return { type: 'unknown', message, waits: waits + 1, waitMs: wait * smallestDelayMs }
      const error = `No task named '${message.task}' is registered in this worker, nor was in any that the message waited for. Deploy a tasks package with a new task to the workers first, then to the scheduler.`
      return { type: 'dead', reason: 'unknown_task', error }
    }
    if (!isForChainKind(definition, chain?.kind)) {
      const error = `Task '${message.task}' is for chains of the kind ${definition.chainKind}, but '${message.chain}' is one of the kind ${chain?.kind}.`
      return { type: 'dead', reason: 'unknown_chain', error }
    }
    // Never early, not even by a little: where clocks differ, this costs one more round of the smallest delay.
    const remainingMs = message.notBefore === undefined ? 0 : Date.parse(message.notBefore) - now()
    if (remainingMs > 0) return { type: 'early', message, remainingMs }

    const { fit, unfit, problems } = sortItems(message.items, definition.schema)
    if (fit.length === 0) return { type: 'dead', reason: 'invalid_args', error: problems.join('; ') }
    sequence += 1
    const unit = createWorkUnit(delivery, message, definition, { items: fit, arrivedAtMs: now(), sequence })
    if (unfit.length === 0) return { type: 'run', unit }
    return { type: 'run', unit, refused: { message: { ...message, items: unfit }, error: problems.join('; ') } }
  }
}

/** What is no count of ours counts as none. */
function countWaits({ headers }: Delivery): number {
  const waits = headers[UNKNOWN_TASK_HEADER]
  return typeof waits === 'number' && waits >= 0 ? Math.floor(waits) : 0
}

function sortItems(items: TaskItem[], schema: ArgsSchema | undefined) {
  const unfit: TaskItem[] = []
  const problems: string[] = []
  for (const item of items) {
    const found = itemProblems(item, schema)
    if (found.length === 0) continue
    unfit.push(item)
    problems.push(`task ${item.id}: ${found.join(', ')}`)
  }
  return { fit: unfit.length === 0 ? items : items.filter((item) => !unfit.includes(item)), unfit, problems }
}

function itemProblems({ args }: TaskItem, schema: ArgsSchema | undefined): string[] {
  try {
    return argsProblems(args, schema)
  } catch (error) {
    // Their schema cannot be compiled.
    return [`args cannot be checked: ${(error as Error).message}`]
  }
}

import { type AnyTaskDefinition, type Condition, defineTask, taskId, type TaskEvent } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'

import type { RecordingBroker } from './recording-broker.ts'

/** A task on `latest` that runs for the blocks of its condition. */
export function onLatest(name: string, condition?: Condition<Record<string, never>>): AnyTaskDefinition {
  return defineTask({ name, head: 'latest', run: () => null, ...(condition !== undefined && { condition }) })
}

/** Chains that are the same up to a block, and differ above it. */
export function fork(head: number, above: number, forkHead: number): [ScriptedChain, ScriptedChain] {
  const other = createScriptedChain({ head: forkHead, finalityLag: 50 })
  if (forkHead > above) other.reorg(forkHead - above)
  return [createScriptedChain({ head, finalityLag: 50 }), other]
}

/** What was published for the blocks of a task, in that order. */
export function scheduled(broker: RecordingBroker, task: string) {
  return broker.messages
    .filter((message) => message.task === task)
    .flatMap(({ items, generation = 0 }) => items.map(({ id, block }) => ({ id, generation, ...block })))
}

export function orphaned(broker: RecordingBroker, task: string): TaskEvent[] {
  return broker.events.filter((event) => event.type === 'orphaned' && event.task === task)
}

/** Ids of the tasks that were called off. */
export function cancelled(broker: RecordingBroker): string[] {
  return broker.orders.flatMap((order) => (order.type === 'cancel' ? order.taskIds : []))
}

export function idOf(task: string, number: number, hash: string | undefined): string {
  return taskId({ chain: 'dev', task, args: {}, block: { number, ...(hash !== undefined && { hash }) } })
}

import { type AnyTaskDefinition, type Condition, defineTask, taskId, type TaskEvent } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'
import { beforeEach, expect, onTestFinished, vi } from 'vitest'

import { type HarnessOptions, lead } from './leadership-harness.ts'
import type { RecordingBroker } from './recording-broker.ts'

/** A task on `latest` that runs for the blocks of its condition. */
export function onLatest(name: string, condition?: Condition<Record<string, never>>): AnyTaskDefinition {
  return defineTask({ name, head: 'latest', run: () => null, ...(condition !== undefined && { condition }) })
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** Fake timers for each test of the file, of which none may be left. */
export function fakeTimers(): void {
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
    // Registered first, so that it comes last: when the scheduler of the test has stopped.
    onTestFinished(() => {
      expect(vi.getTimerCount(), 'timers left behind').toBe(0)
      vi.useRealTimers()
    })
  })
}

/** A leading scheduler that looks at the chain every second, and stops with its test. */
export async function leading(options: HarnessOptions) {
  const scheduler = await lead(options)
  onTestFinished(() => scheduler.stop())
  return {
    ...scheduler,
    /** Lets seconds pass. */
    seconds: async (count: number) => {
      for (let second = 0; second < count; second += 1) {
        await scheduler.look()
        await vi.advanceTimersByTimeAsync(1_000)
      }
      await scheduler.look()
    },
  }
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

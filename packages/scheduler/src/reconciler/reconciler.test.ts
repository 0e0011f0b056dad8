import { type ControlReply, defineTask, type Logger } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createRecordingBroker } from '../../test/recording-broker.ts'
import { createReconciler } from './reconciler.ts'

const lane = { queue: 'default', lane: 'normal' } as const

/** One lane with overdue tasks, and one worker, which answers and holds nothing. */
function setUp() {
  const warnings: unknown[] = []
  const logger = { warn: (...line: unknown[]) => warnings.push(line) } as unknown as Logger
  const state = { lastSeenAt: new Date(0), asked: 0 }
  const worker = { type: 'worker-stats', from: 'w1', queues: ['default'], buffered: 0, running: [] }
  const reconciler = createReconciler({
    chain: 'dev',
    definitions: [defineTask({ name: 'a', run: () => null })],
    broker: createRecordingBroker(),
    survey: {
      isRecordUpToDate: async () => true,
      silent: async (lanes) => lanes,
      countDelayed: async () => ({ messages: 0, waitFor: new Date(0) }),
    },
    control: { stats: async () => [worker as unknown as ControlReply] },
    store: {
      lanes: async () => [lane],
      async tasks() {
        state.asked += 1
        return []
      },
      workersSeenSince: async () => [{ name: 'w1', queues: ['default'], lastSeenAt: state.lastSeenAt }],
      countWaiting: async () => 0,
    },
    logger,
    metrics: { reconciled: () => undefined },
    afterMs: 60_000,
    intervalMs: 1_000,
    batch: 10,
    now: () => 1_000_000,
  })
  const { signal } = new AbortController()
  return { warnings, state, pass: () => reconciler.pass(signal) }
}

describe('a worker that answers while the record has not heard of it lately', () => {
  it('keeps tasks from being published again, which is said once when it lasts', async () => {
    const { warnings, state, pass } = setUp()
    for (let passes = 1; passes <= 2; passes += 1) await pass()
    expect(warnings).toEqual([])
    for (let passes = 1; passes <= 5; passes += 1) await pass()
    expect(warnings).toEqual([[{ workers: ['w1'] }, expect.stringContaining('clock')]])
    expect(state.asked).toBe(0)
  })

  it('is told again when it was all right in between', async () => {
    const { warnings, state, pass } = setUp()
    for (let passes = 1; passes <= 3; passes += 1) await pass()
    state.lastSeenAt = new Date(999_000)
    await pass()
    expect(state.asked).toBe(1)
    state.lastSeenAt = new Date(0)
    for (let passes = 1; passes <= 3; passes += 1) await pass()
    expect(warnings).toHaveLength(2)
  })
})

import { type AnyTaskDefinition, type ConditionContext, createSilentLogger, type Logger } from '@blockmill/core'
import { createScriptedChain, type ScriptedChain } from '@blockmill/testkit'
import { Registry } from 'prom-client'
import { beforeEach, expect, onTestFinished, vi } from 'vitest'

import type { StartMode } from '../src/coverage/start-block.ts'
import type { JobStore } from '../src/job/job-store.ts'
import { Leadership } from '../src/leadership.ts'
import { createQueuePressure } from '../src/pressure/queue-pressure.ts'
import type { Reconciler } from '../src/reconciler/reconciler.ts'
import { createSchedulerMetrics } from '../src/scheduler-metrics.ts'
import { createRecordingBroker, type RecordingBroker } from './recording-broker.ts'
import { createMemoryBackfillStore, type MemoryBackfillStore } from './memory-backfill-store.ts'
import { createMemoryBranchStore, type MemoryBranchStore } from './memory-branch-store.ts'
import { createMemoryCoverageStore, type MemoryCoverageStore } from './memory-coverage-store.ts'

/** There are none, so nothing else is asked. */
const NO_RANGE_JOBS = { open: async () => [] } as Partial<JobStore> as JobStore

export interface HarnessOptions {
  readonly tasks: readonly AnyTaskDefinition[]
  readonly chain?: ScriptedChain
  readonly broker?: RecordingBroker
  readonly store?: MemoryCoverageStore
  readonly backfills?: MemoryBackfillStore
  readonly branches?: MemoryBranchStore
  readonly reorgWindow?: number
  readonly now?: () => number
  readonly start?: StartMode
  readonly token?: number
  readonly queueWindow?: number
  readonly monitorLimit?: number
  readonly logger?: Logger
  readonly access?: ConditionContext['chain']
  readonly reconciler?: Pick<Reconciler, 'run'>
}

/** A leading scheduler on a scripted chain, with a broker and a coverage in memory. Expects fake timers. */
export async function lead({
  tasks,
  chain = createScriptedChain({ head: 100 }),
  broker = createRecordingBroker(),
  store = createMemoryCoverageStore(),
  backfills = createMemoryBackfillStore(store),
  branches = createMemoryBranchStore(store),
  reorgWindow,
  now = Date.now,
  start = 'resume',
  token = 1,
  queueWindow = 10_000,
  monitorLimit = 10_000,
  logger = createSilentLogger(),
  access,
  reconciler,
}: HarnessOptions) {
  const registry = new Registry()
  const heads = async () => ({ finalized: await chain.finalized(), latest: await chain.head() })
  const headsAtStart = await heads()
  const leadership = new Leadership({
    chain: 'dev',
    source: chain,
    access,
    reconciler,
    broker,
    store,
    backfills,
    rangeJobs: NO_RANGE_JOBS,
    branches,
    orphans: { tasksToOrphan: async () => [], forget: async () => false },
    headStore: { write: async () => undefined },
    reorgWindow,
    onRewind: () => undefined,
    logger,
    metrics: createSchedulerMetrics({
      registry,
      chain: 'dev',
      heights: () => [],
      backlog: () => leadership.backfillBacklog(),
    }),
    definitions: tasks,
    rangeDefinitions: [],
    headsAtStart,
    startMode: start,
    started: new Set(),
    token,
    defaultMaxAttempts: 3,
    pressure: createQueuePressure({ broker, window: queueWindow, monitorLimit }),
    now,
  })
  const over = leadership.run(() => headsAtStart)
  await settle()
  return {
    chain,
    broker,
    store,
    branches,
    registry,
    leadership,
    /** Resolves when the leadership is over. */
    over,
    /** Lets the scheduler see the chain's heads as they are now, and do everything that is due. */
    look: async () => {
      const seen = await heads()
      leadership.follow(seen)
      leadership.look(seen.latest)
      await settle()
    },
    stop: async () => {
      leadership.stop()
      await over
    },
  }
}

/** Lets everything that needs no time happen. */
export async function settle(): Promise<void> {
  // A far jump takes many steps, each with several turns of the event loop.
  for (let turns = 0; turns < 50; turns += 1) await vi.advanceTimersByTimeAsync(0)
}

/** Numbers of blocks, both ends included. */
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

import { type BackfillJob, defineTask } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { afterEach, beforeEach, onTestFinished, vi } from 'vitest'

import { type HarnessOptions, lead, settle } from './leadership-harness.ts'
import { backfillJob, createMemoryBackfillStore } from './memory-backfill-store.ts'
import { createMemoryCoverageStore } from './memory-coverage-store.ts'
import type { RecordingBroker } from './recording-broker.ts'

/** The task that is filled in unless a test says otherwise. */
export const task = defineTask({ name: 'a', run: () => null })

/** A clock that moves only when a test lets it, while work that needs no time goes on by itself. */
export function fakeClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
}

/** A leading scheduler at head 1,000 with jobs on record, which has had some seconds. */
export async function backFilling({
  jobs = [backfillJob({ from: 100, to: 199 })],
  seconds = 3,
  ...options
}: Partial<HarnessOptions> & { jobs?: readonly BackfillJob[]; seconds?: number } = {}) {
  const store = options.store ?? createMemoryCoverageStore()
  const backfills = options.backfills ?? createMemoryBackfillStore(store)
  for (const job of jobs) backfills.create(job)
  const chain = createScriptedChain({ head: 1_000 })
  const led = await lead({ tasks: [task], chain, ...options, store, backfills })
  onTestFinished(led.stop)
  const wait = async (ms: number) => {
    for (let left = ms; left > 0; left -= 50) {
      await vi.advanceTimersByTimeAsync(Math.min(50, left))
      await settle()
    }
  }
  await wait(seconds * 1_000)
  const [job] = jobs
  const id = job?.id ?? ''
  return { ...led, wait, id, backfills, job: () => backfills.job(id), part: () => backfills.part(id) }
}

/** The messages of back-fills. */
export function backfilled(broker: RecordingBroker) {
  return broker.messages.filter(({ cause }) => cause === 'backfill')
}

/** The blocks of these, in the order in which they were published. */
export function blocksOf(broker: RecordingBroker): number[] {
  return backfilled(broker).flatMap(({ items }) => items.map(({ block }) => block?.number ?? -1))
}

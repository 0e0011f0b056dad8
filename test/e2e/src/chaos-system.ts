import type { TestBroker, TestDatabase } from '@blockmill/testkit/vitest'

import { CHAOS_QUEUE } from './chaos-plan.ts'
import type { ServiceProcess } from './service-process.ts'
import { startWorkSystem, type WorkSystem } from './work-system.ts'

/** What all runs share: a monitor, and workers that are killed and replaced. */
export interface ChaosSystem extends Pick<WorkSystem, 'broker' | 'database' | 'publish'> {
  /** Rejects when a worker cannot start. Never resolves. */
  readonly failed: Promise<never>
  /** Kills one of the workers that are up, and starts another in its place without waiting for it. */
  killWorker(choice: number): Promise<void>
  /** Asks all workers to end, also those that still start, and resolves with their exit statuses. */
  stopWorkers(): Promise<(number | null)[]>
  /** Ends everything. */
  stop(): Promise<void>
}

/** Starts the monitor and the workers. */
export async function startChaosSystem(
  testBroker: TestBroker,
  testDatabase: TestDatabase,
  workers: number,
): Promise<ChaosSystem> {
  const system = await startWorkSystem(testBroker, testDatabase)
  const up: ServiceProcess[] = []
  const starting = new Set<Promise<void>>()
  const failed = Promise.withResolvers<never>()
  // A run waits for it most of the time, but not always.
  failed.promise.catch(() => undefined)
  let started = 0

  async function bringUpWorker(): Promise<void> {
    started += 1
    const name = `chaos-${started}`
    up.push(await system.startWorker({ name, queue: CHAOS_QUEUE, tasks: 'chaos-tasks', concurrency: 20 }))
  }
  function startWorker(): void {
    const begun = bringUpWorker()
    starting.add(begun)
    void begun.then(
      () => starting.delete(begun),
      (error: unknown) => failed.reject(error),
    )
  }
  const stopThoseUp = (): Promise<(number | null)[]> => Promise.all(up.splice(0).map((worker) => worker.stop()))

  for (let worker = 0; worker < workers; worker += 1) startWorker()
  return {
    ...system,
    failed: failed.promise,
    async killWorker(choice) {
      while (up.length === 0) await Promise.race(starting)
      const [victim] = up.splice(choice % up.length, 1)
      await victim?.kill()
      startWorker()
    },
    async stopWorkers() {
      await Promise.all(starting)
      return await stopThoseUp()
    },
    async stop() {
      await Promise.allSettled(starting)
      await stopThoseUp()
      await system.stop()
    },
  }
}

import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it } from 'vitest'

import { expectEveryBlockDone } from './src/expected-tasks.ts'
import { readDocumentedMetrics } from './src/exported-metrics.ts'
import { type RecordedTask, readTasks } from './src/record.ts'
import type { ServiceProcess } from './src/service-process.ts'
import { startSystem, type System } from './src/system.ts'

const broker = testBroker()
const database = testDatabase()

const BLOCKS = 20
const HALF = BLOCKS / 2
/** Label of a task that runs for every block. */
const EVERY_BLOCK = 'task="note-block"'

async function produceBlocksTo(number: number, { chain }: System): Promise<void> {
  await chain.produceBlock(number - chain.head().number)
}

/** What every service exports is what the documentation promises, and it agrees with the record. */
async function expectMetricsOf(
  tasks: readonly RecordedTask[],
  services: Readonly<Record<'scheduler' | 'survivor' | 'monitor', ServiceProcess>>,
): Promise<void> {
  // What a service did may be on record a moment before it is counted.
  await expect
    .poll(async () => {
      const scheduler = await readDocumentedMetrics('scheduler', services.scheduler)
      return [
        scheduler.sum('blockmill_tasks_scheduled_total', EVERY_BLOCK),
        scheduler.sum('blockmill_chain_head'),
        scheduler.sum('blockmill_scheduler_height', EVERY_BLOCK),
      ]
    })
    .toEqual([BLOCKS, BLOCKS, BLOCKS])

  const worker = await readDocumentedMetrics('worker', services.survivor)
  const succeeded = worker.sum('blockmill_tasks_succeeded_total')
  expect(succeeded).toBeGreaterThanOrEqual(tasks.filter(({ worker: name }) => name === 'survivor').length)
  expect(worker.sum('blockmill_task_critical_seconds_count')).toBe(succeeded)
  expect(worker.sum('blockmill_worker_slots_limit')).toBe(4)

  await expect
    .poll(async () => {
      const monitor = await readDocumentedMetrics('monitor', services.monitor)
      return monitor.sum('blockmill_tasks', EVERY_BLOCK, 'status="succeeded"')
    })
    .toBe(BLOCKS)
}

it('records every task of every block once when a worker is killed in the middle of its work', async () => {
  const system = await startSystem(broker, database)
  const scheduler = await system.startScheduler()
  const doomed = await system.startWorker('doomed')

  await produceBlocksTo(HALF, system)
  await waitFor(
    async () => {
      const ofDoomed = (await readTasks(system)).filter(({ worker }) => worker === 'doomed')
      return (
        ofDoomed.some(({ status }) => status === 'succeeded') &&
        ofDoomed.some(({ name, block, status }) => name === 'linger' && block === HALF && status === 'running')
      )
    },
    { describe: 'the first worker to have finished a task, and to run the one that it never ends' },
  )
  await doomed.kill()

  const survivor = await system.startWorker('survivor')
  await produceBlocksTo(BLOCKS, system)
  const tasks = await expectEveryBlockDone(system, BLOCKS)
  expect(new Set(tasks.map(({ worker }) => worker))).toEqual(new Set(['doomed', 'survivor']))
  await expectMetricsOf(tasks, { scheduler, survivor, monitor: system.monitor })
})

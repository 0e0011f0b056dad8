import { delayLadder, LANES } from '@blockmill/core'
import { callManagement, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { CHAOS_QUEUE } from './src/chaos-plan.ts'
import { runChaos } from './src/chaos-run.ts'
import { type ChaosSystem, startChaosSystem } from './src/chaos-system.ts'

const broker = testBroker()
const database = testDatabase()

/** `npm run test:chaos -- --runs 200 --seed 1` sets them. */
const RUNS = Number(process.env['CHAOS_RUNS'] ?? 20)
const FIRST_SEED = Number(process.env['CHAOS_SEED'] ?? 1)

const TASKS = 2_000
const WORKERS = 3
const runs = Array.from({ length: RUNS }, (_, index) => ({ seed: FIRST_SEED + index, firstBlock: 1 + index * TASKS }))

interface QueueStatistics {
  readonly name: string
  readonly message_stats?: { readonly redeliver?: number }
}

async function countRedeliveries({ managementUrl = '', namespace }: typeof broker): Promise<number> {
  const queues = (await callManagement(managementUrl, 'GET', '/queues')) as QueueStatistics[]
  return queues
    .filter(({ name }) => name.startsWith(`${namespace}.`))
    .reduce((sum, { message_stats: statistics }) => sum + (statistics?.redeliver ?? 0), 0)
}

describe('workers that are killed at random moments', () => {
  let system: ChaosSystem
  beforeAll(async () => {
    system = await startChaosSystem(broker, database, WORKERS)
  })
  afterAll(() => system.stop())

  it.each(runs)('lose no task and record each once, seed $seed', async ({ seed, firstBlock }) => {
    const { unfinishedAtKills, faults } = await runChaos(system, { seed, tasks: TASKS, firstBlock })
    expect(faults).toEqual([])
    expect(Math.max(...unfinishedAtKills), 'a worker was killed while there was work').toBeGreaterThan(0)
  })

  it('leave nothing behind on the broker, and no success counted twice', async () => {
    const { topology } = system.broker
    const delays = delayLadder(50).filter((stepMs) => stepMs <= 200)
    const queues = [
      ...LANES.map((lane) => topology.workQueue(CHAOS_QUEUE, lane)),
      ...delays.map((stepMs) => topology.delayQueue(stepMs)),
      topology.monitorQueue,
      topology.parkedQueue,
      topology.deadQueue,
    ]
    // Attempts that were delivered again go on for a moment after their tasks are finished.
    const areEmpty = async () => {
      const depths = await Promise.all(queues.map((queue) => system.broker.depth(queue)))
      return depths.every((depth) => (depth?.messages ?? 0) === 0)
    }
    await waitFor(areEmpty, { describe: 'all queues are empty' })
    expect(await system.stopWorkers()).toEqual(Array.from({ length: WORKERS }, () => 0))
    await waitFor(areEmpty, { describe: 'all queues are empty after what the workers gave back' })

    // Otherwise nobody died in the middle of anything, and all of this proves nothing.
    if (broker.managementUrl !== undefined) {
      await waitFor(() => countRedeliveries(broker), { describe: 'the broker says that it delivered messages again' })
    }
    expect(await system.database.query('select reason, error from blockmill.dead_letter')).toEqual([])
    const states = 'select status, count(*)::bigint from blockmill.task group by status order by status'
    const counted =
      'select status, sum(count)::bigint as count from blockmill.task_count group by status order by status'
    const rows = await system.database.query<{ count: number }>(states)
    expect((await system.database.query(counted)).filter(({ count }) => count !== 0)).toEqual(rows)
    expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(RUNS * TASKS)
  })
})

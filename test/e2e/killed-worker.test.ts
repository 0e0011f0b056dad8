import { isFinal } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it } from 'vitest'

import { readCoverage, readTasks } from './src/record.ts'
import { startSystem, type System } from './src/system.ts'

const broker = testBroker()
const database = testDatabase()

const BLOCKS = 20
const HALF = BLOCKS / 2
const numbers = (step = 1, first = step) =>
  Array.from({ length: Math.floor((BLOCKS - first) / step) + 1 }, (_, index) => first + index * step)

/** Blocks that each task must run for, by what it runs with. */
const EXPECTED = {
  'close-epoch {"netuid":1}': numbers(5, 3),
  'close-epoch {"netuid":3}': numbers(5, 1),
  'close-epoch {"netuid":22}': numbers(5, 2),
  'count-activity {}': numbers(10),
  'deliver-report {}': numbers(),
  'linger {}': numbers(),
  'note-block {}': numbers(),
  'store-issuance {}': numbers(5),
}

/** What is recorded of the tasks expected here; tasks of your own may stand beside them in the example. */
async function readExpectedTasks(system: System) {
  const tasks = await readTasks(system)
  return tasks.filter(({ name, args }) => Object.hasOwn(EXPECTED, `${name} ${JSON.stringify(args)}`))
}

async function produceBlocksTo(number: number, { chain }: System): Promise<void> {
  await chain.produceBlock(number - chain.head().number)
}

it('records every task of every block once when a worker is killed in the middle of its work', async () => {
  const system = await startSystem(broker, database)
  const doomed = await system.startWorker('doomed')

  await produceBlocksTo(HALF, system)
  await waitFor(
    async () => (await readTasks(system)).some(({ status, worker }) => status === 'succeeded' && worker === 'doomed'),
    { describe: 'the first worker finishes a task' },
  )
  await doomed.kill()
  const unfinished = (await readTasks(system)).filter(({ status }) => !isFinal(status))
  expect(unfinished, 'it was killed while it had work').not.toHaveLength(0)

  await system.startWorker('survivor')
  await produceBlocksTo(BLOCKS, system)
  const total = Object.values(EXPECTED).flat().length
  await waitFor(
    async () => {
      const tasks = await readExpectedTasks(system)
      return tasks.length >= total && tasks.every(({ status }) => isFinal(status))
    },
    { describe: `${total} tasks are finished`, timeoutMs: 60_000 },
  )

  const tasks = await readExpectedTasks(system)
  const blocksByTask: Record<string, number[]> = {}
  for (const { name, args, block } of tasks) (blocksByTask[`${name} ${JSON.stringify(args)}`] ??= []).push(block)
  for (const blocks of Object.values(blocksByTask)) blocks.sort((a, b) => a - b)
  expect(blocksByTask).toEqual(EXPECTED)
  expect(tasks.filter(({ status }) => status !== 'succeeded')).toEqual([])
  expect(tasks.filter(({ scheduledAt, finishedAt }) => scheduledAt === null || finishedAt === null)).toEqual([])
  expect(new Set(tasks.map(({ worker }) => worker))).toEqual(new Set(['doomed', 'survivor']))

  for (const { task, evaluated, gaps } of await readCoverage(system)) {
    expect(evaluated.ranges, task).toEqual([{ from: 1, to: BLOCKS }])
    expect(gaps.ranges, task).toEqual([])
  }
})

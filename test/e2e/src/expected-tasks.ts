import { isFinal } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { expect } from 'vitest'

import { readCoverage, readTasks, type RecordedTask } from './record.ts'
import type { System } from './system.ts'

/** Period and first block of each task that must run, by what it runs with. */
const SCHEDULE: Readonly<Record<string, readonly [period: number, first: number]>> = {
  'close-epoch {"netuid":1}': [5, 3],
  'close-epoch {"netuid":3}': [5, 1],
  'close-epoch {"netuid":22}': [5, 2],
  'count-activity {}': [10, 10],
  'deliver-report {}': [1, 1],
  'linger {}': [1, 1],
  'note-block {}': [1, 1],
  'store-issuance {}': [5, 5],
}

const unitOf = ({ name, args }: RecordedTask): string => `${name} ${JSON.stringify(args)}`

/** Waits until every task of blocks 1 to `blocks` is finished, and checks that each ran, once, and left no gap. */
export async function expectEveryBlockDone(system: System, blocks: number): Promise<readonly RecordedTask[]> {
  const expected = Object.fromEntries(
    Object.entries(SCHEDULE).map(([unit, [period, first]]) => [
      unit,
      Array.from({ length: Math.floor((blocks - first) / period) + 1 }, (_, index) => first + index * period),
    ]),
  )
  const total = Object.values(expected).flat().length
  // Tasks of one's own may stand beside them in the example.
  const readExpected = async () => (await readTasks(system)).filter((task) => Object.hasOwn(SCHEDULE, unitOf(task)))
  await waitFor(
    async () => {
      const tasks = await readExpected()
      return tasks.length >= total && tasks.every(({ status }) => isFinal(status))
    },
    { describe: `${total} tasks are finished`, timeoutMs: 180_000 },
  )

  const tasks = await readExpected()
  const blocksByUnit: Record<string, number[]> = {}
  for (const task of tasks) (blocksByUnit[unitOf(task)] ??= []).push(task.block)
  for (const numbers of Object.values(blocksByUnit)) numbers.sort((a, b) => a - b)
  expect(blocksByUnit).toEqual(expected)
  expect(tasks.filter(({ status }) => status !== 'succeeded')).toEqual([])
  expect(tasks.filter(({ scheduledAt, finishedAt }) => scheduledAt === null || finishedAt === null)).toEqual([])
  // Coverage is written after the confirms, so a task may have ended before.
  const readRanges = async () =>
    Object.fromEntries(
      (await readCoverage(system)).flatMap(({ task, args, evaluated, gaps }) => {
        const unit = `${task} ${JSON.stringify(args)}`
        return Object.hasOwn(SCHEDULE, unit) ? [[unit, [evaluated.ranges, gaps.ranges]]] : []
      }),
    )
  await expect
    .poll(readRanges)
    .toEqual(Object.fromEntries(Object.keys(SCHEDULE).map((unit) => [unit, [[{ from: 1, to: blocks }], []]])))
  return tasks
}

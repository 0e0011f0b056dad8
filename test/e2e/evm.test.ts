import { fileURLToPath } from 'node:url'

import { isFinal } from '@blockmill/core'
import { startAnvil, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { readCoverage, type RecordedTask, readTasks } from './src/record.ts'
import { type ServiceProcess, startService } from './src/service-process.ts'

const broker = testBroker()
const database = testDatabase()
const TASKS = fileURLToPath(new URL('evm-tasks', import.meta.url))
const BLOCKS = 20
const FINALITY_LAG = 2

it('runs the tasks of an EVM chain for every block, once each, and again for blocks that are replaced', async () => {
  const chain = await startAnvil({ finalityLag: FINALITY_LAG })
  onTestFinished(() => chain.stop())
  const start = async (endpoint: string, ...args: string[]): Promise<ServiceProcess> => {
    const service = await startService(args, {
      RABBITMQ_URL: broker.url,
      DATABASE_URL: database.url,
      BLOCKMILL_NAMESPACE: broker.namespace,
      CHAIN_URL: endpoint,
      BLOCKMILL_CHAIN_KIND: 'evm',
      BLOCKMILL_CHAIN: 'anvil',
      BLOCKMILL_TASKS: TASKS,
      LOG_LEVEL: 'warn',
    })
    onTestFinished(async () => void (await service.stop()))
    return service
  }
  const monitor = await start(chain.url, 'monitor')
  const record = {
    async get<Answer>(path: string) {
      return (await (await fetch(new URL(path, monitor.url))).json()) as Answer
    },
  }
  await Promise.all([
    start(chain.url, 'scheduler', '--start', '1'),
    start(chain.wsUrl, 'worker', '--name', 'evm', '--concurrency', '4'),
  ])
  for (let mined = 0; mined < BLOCKS; mined += 4) await chain.mine(4)
  await chain.mine(FINALITY_LAG)

  const upTo = (last: number, period = 1) => Array.from({ length: last / period }, (_, index) => (index + 1) * period)
  const expected = {
    'note-evm-block': upTo(BLOCKS),
    'count-transactions': upTo(BLOCKS, 5),
    'follow-latest': upTo(BLOCKS + FINALITY_LAG),
  }
  const total = Object.values(expected).flat().length
  const areFinished = (tasks: readonly RecordedTask[]) =>
    tasks.length >= total && tasks.every(({ status }) => isFinal(status))
  const blocksOf = (tasks: readonly RecordedTask[], task: string) =>
    tasks.flatMap(({ name, block }) => (name === task ? [block] : [])).toSorted((a, b) => a - b)
  const hashOf = async (block: number) => {
    const found = (await chain.request('eth_getBlockByNumber', [`0x${block.toString(16)}`, false])) as { hash: string }
    return found.hash
  }
  const resultOf = async ({ id }: RecordedTask) =>
    (await record.get<{ readonly result: unknown }>(`/api/v1/tasks/${id}`)).result

  await waitFor(async () => areFinished(await readTasks(record)), {
    describe: `${total} tasks are finished`,
    timeoutMs: 120_000,
  })
  const tasks = await readTasks(record)
  expect(tasks.filter(({ status }) => status !== 'succeeded')).toEqual([])
  const names = [...new Set(tasks.map(({ name }) => name))]
  expect(Object.fromEntries(names.map((name) => [name, blocksOf(tasks, name)]))).toEqual(expected)
  const results = Object.fromEntries(
    await Promise.all(
      tasks.flatMap((task) => (task.block === BLOCKS ? [resultOf(task).then((result) => [task.name, result])] : [])),
    ),
  ) as Record<string, unknown>
  const hash = await hashOf(BLOCKS)
  expect(results).toEqual({
    'note-evm-block': { hash, number: BLOCKS },
    'count-transactions': 0,
    'follow-latest': hash,
  })
  // Coverage is written after the confirms, so a task may have ended before.
  const readRanges = async () =>
    Object.fromEntries(
      (await readCoverage(record)).map(({ task, evaluated, gaps }) => [task, [evaluated.ranges, gaps.ranges]]),
    )
  const covered = (to: number) => [[{ from: 1, to }], []]
  await expect.poll(readRanges).toEqual({
    'note-evm-block': covered(BLOCKS),
    'count-transactions': covered(BLOCKS),
    'follow-latest': covered(BLOCKS + FINALITY_LAG),
  })

  const replaced = [BLOCKS + 1, BLOCKS + 2]
  await chain.reorg(replaced.length)
  const ofReplaced = async (state: string) =>
    (await readTasks(record)).filter(({ block, status }) => replaced.includes(block) && status === state)
  // Which blocks were replaced is told apart from the tasks of those in their place: either may come first.
  await expect
    .poll(
      async () =>
        (await Promise.all(['orphaned', 'succeeded'].map(ofReplaced))).map((some) => blocksOf(some, 'follow-latest')),
      { timeout: 120_000 },
    )
    .toEqual([replaced, replaced])
  for (const task of await ofReplaced('succeeded')) expect(await resultOf(task)).toBe(await hashOf(task.block))
})

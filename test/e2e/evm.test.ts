import { fileURLToPath } from 'node:url'

import { isFinal } from '@blockmill/core'
import { startAnvil, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { readCoverage, readTasks } from './src/record.ts'
import { type ServiceProcess, startService } from './src/service-process.ts'

const broker = testBroker()
const database = testDatabase()
const TASKS = fileURLToPath(new URL('evm-tasks', import.meta.url))
const BLOCKS = 20
const FINALITY_LAG = 2

it('runs the tasks of an EVM chain for every block, once each, and leaves out those for other kinds', async () => {
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

  const every = (period: number) => Array.from({ length: BLOCKS / period }, (_, index) => (index + 1) * period)
  const expected = { 'note-evm-block': every(1), 'count-transactions': every(5), 'follow-latest': every(10) }
  const total = Object.values(expected).flat().length
  await waitFor(
    async () => {
      const tasks = await readTasks(record)
      return tasks.length >= total && tasks.every(({ status }) => isFinal(status))
    },
    { describe: `${total} tasks are finished`, timeoutMs: 60_000 },
  )
  const tasks = await readTasks(record)
  expect(tasks.filter(({ status }) => status !== 'succeeded')).toEqual([])
  const blocksOf = (task: string) =>
    tasks.flatMap(({ name, block }) => (name === task ? [block] : [])).toSorted((a, b) => a - b)
  expect(Object.fromEntries([...new Set(tasks.map(({ name }) => name))].map((name) => [name, blocksOf(name)]))).toEqual(
    expected,
  )

  const coverage = await readCoverage(record)
  expect(new Set(coverage.map(({ task }) => task))).toEqual(new Set(Object.keys(expected)))
  for (const { task, evaluated, gaps } of coverage) {
    const to = task === 'follow-latest' ? BLOCKS + FINALITY_LAG : BLOCKS
    expect(evaluated.ranges, task).toEqual([{ from: 1, to }])
    expect(gaps.ranges, task).toEqual([])
  }

  const head = (await chain.request('eth_getBlockByNumber', ['0x14', false])) as { readonly hash: string }
  const resultOf = async (task: string, block: number) => {
    const id = tasks.find((one) => one.name === task && one.block === block)?.id
    return (await record.get<{ readonly result: unknown }>(`/api/v1/tasks/${id}`)).result
  }
  expect(await resultOf('note-evm-block', BLOCKS)).toEqual({ hash: head.hash, number: BLOCKS })
  expect(await resultOf('follow-latest', BLOCKS)).toBe(head.hash)
  expect(await resultOf('count-transactions', BLOCKS)).toBe(0)
})

import { createBroker, createSilentLogger, createTopology, migrate, openDatabase } from '@blockmill/core'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { beforeAll, expect, it, onTestFinished } from 'vitest'

import { blockmill } from './blockmill.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url: databaseUrl } = testDatabase()
const idOf = (block: number) => `00000000-000${block}-8000-8000-000000000001`

beforeAll(async () => {
  const database = openDatabase({ url: databaseUrl, logger })
  await migrate(database, { logger })
  for (const [block, status] of [
    [1, 'failed'],
    [2, 'dead'],
    [3, 'succeeded'],
    [4, 'scheduled'],
  ] as const) {
    await database.query(
      `insert into blockmill.task (id, chain, name, queue, lane, priority, block_number, args, args_hash, cause, status,
         attempt, postpones, max_attempts, scheduled_at, changed_at)
       values ($1, 'dev', 'a', 'default', 'normal', 10, $2, '{}', 'ab', 'live', $3, 1, 0, 3, now(), now())`,
      [idOf(block), block, status],
    )
  }
  await database.close()
})

const retry = (...args: readonly string[]) =>
  blockmill(['retry', ...args], {
    environment: { RABBITMQ_URL: brokerUrl, BLOCKMILL_NAMESPACE: namespace, DATABASE_URL: databaseUrl },
  })

it('runs tasks again by filter, and says which of those that were named cannot be', async () => {
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'test' })
  onTestFinished(() => broker.stop())
  await broker.start()
  expect((await retry('--task', 'a', '--dry-run', '--json')).stdout).toBe('{"total":2}\n')
  const done = await retry('--task', 'a', '--json')
  expect(JSON.parse(done.stdout)).toEqual({ retried: 2, refused: [] })
  await expect.poll(async () => (await broker.depth(topology.workQueue('default', 'normal')))?.messages).toBe(2)

  const again = await retry(idOf(1), idOf(3), idOf(4))
  expect(again.status).toBe(1)
  expect(again.stdout).toContain('0 run again, 3 cannot be run again.')
  expect(again.stdout).toContain(`Task ${idOf(1)} was just started again.`)
  expect(again.stdout).toContain(`Task ${idOf(3)} has succeeded: it is run again only with force.`)
})

it.each([
  [[], 'Say which tasks are meant'],
  [[idOf(1), '--task', 'a'], 'Say which tasks are meant'],
  [['nonsense'], '"nonsense" is no task id'],
  [['--status', 'scheduled'], 'scheduled'],
  [['--task', 'a', '--limit', '0'], 'It must be a whole number'],
])('refuses %j, and says why', async (args, text) => {
  const { status, stderr } = await retry(...args)
  expect(status).not.toBe(0)
  expect(stderr).toContain(text)
})

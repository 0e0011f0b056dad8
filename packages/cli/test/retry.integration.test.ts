import { createBroker, createSilentLogger, createTopology, migrate, openDatabase } from '@blockmill/core'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { beforeAll, expect, it, onTestFinished } from 'vitest'

import { runHere } from './run-here.ts'

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

const run = (...args: readonly string[]) =>
  runHere(args, { RABBITMQ_URL: brokerUrl, BLOCKMILL_NAMESPACE: namespace, DATABASE_URL: databaseUrl })
const retry = (...args: readonly string[]) => run('retry', ...args)

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

it('calls tasks off by filter, and puts that on record without a monitor', async () => {
  const count = async (...args: readonly string[]) => (await run('cancel', ...args, '--dry-run', '--json')).stdout
  expect(await count('--queue', 'default')).toBe('{"total":1}\n')
  expect(await count('--queue', 'default', '--lane', 'low')).toBe('{"total":0}\n')
  expect(await count('--from', '5')).toBe('{"total":0}\n')
  expect(await count('--scheduled-before', '1h')).toBe('{"total":0}\n')
  expect(await count('--scheduled-after', '1h')).toBe('{"total":1}\n')

  const done = await run('cancel', '--task', 'a', '--status', 'scheduled', '--to', '4')
  expect([done.status, done.stdout]).toEqual([0, '1 called off, 0 cannot be called off.\n'])
  const database = openDatabase({ url: databaseUrl, logger })
  onTestFinished(() => database.close())
  expect(await database.query('select task_id, requested_by from blockmill.cancel_request')).toEqual([
    { task_id: idOf(4), requested_by: 'blockmill cancel' },
  ])
})

it.each([
  [['cancel', idOf(4), '--task', 'a'], 'Say which tasks are meant'],
  [['cancel', '--status', 'failed'], 'scheduled, running'],
  [['cancel', '--scheduled-after', 'yesterday'], 'It must be a time such as'],
  [['retry', '--finished-before', '2026-99-01'], 'It must be a time such as'],
])('refuses %j, and says why', async (args, text) => {
  const { status, stderr } = await run(...args)
  expect(status).not.toBe(0)
  expect(stderr).toContain(text)
})

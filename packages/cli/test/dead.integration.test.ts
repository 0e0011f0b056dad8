import {
  createBroker,
  createSilentLogger,
  createTopology,
  type Database,
  migrate,
  openDatabase,
  TASK_MESSAGE_TYPE,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url } = testDatabase()
const environment = { DATABASE_URL: url, RABBITMQ_URL: brokerUrl, BLOCKMILL_NAMESPACE: namespace }
const topology = createTopology({ namespace })
const GOOD = '00000000-0000-8000-8000-00000000000a'
const POISON = '00000000-0000-8000-8000-00000000000b'
const NOBODY = '00000000-0000-8000-8000-00000000000c'
const message: TaskMessage = {
  v: 1,
  chain: 'dev',
  task: 'a-task',
  queue: 'default',
  lane: 'normal',
  priority: 10,
  attempt: 2,
  postpones: 1,
  maxAttempts: 3,
  scheduledAt: '2026-01-01T00:00:00.000Z',
  cause: 'live',
  items: [{ id: '00000000-0007-8000-8000-000000000007', block: { number: 7 }, args: {} }],
}

let database: Database
beforeAll(async () => {
  database = openDatabase({ url, logger })
  await migrate(database, { logger })
  await database.query(
    `insert into blockmill.dead_letter (id, queue, reason, error, type, chain, task, task_id, headers, body)
     values ($1, $3, 'unknown_task', 'No task of this name', $4, 'dev', 'a-task', $5, '{"x-death":[{"count":9}]}', $6),
       ($2, $3, 'invalid_message', 'It is poison', $4, null, null, null, '{}', '\\xff00')`,
    [
      GOOD,
      POISON,
      topology.workQueue('default', 'normal'),
      TASK_MESSAGE_TYPE,
      message.items[0]?.id,
      taskMessageCodec.encode(message),
    ],
  )
})
afterAll(() => database.close())

const dead = (...args: readonly string[]) => runHere(['dead', ...args], environment)

it('lists, shows, replays and purges dead letters on a real broker', async () => {
  const list = await dead('list', '--task', 'a-task', '--json')
  expect(JSON.parse(list.stdout)).toEqual([
    expect.objectContaining({ id: GOOD, reason: 'unknown_task', task: 'a-task' }),
  ])
  expect((await dead('list')).stdout).toMatch(/It is poison/)
  expect((await dead('show', POISON)).stdout).toContain('as base64:\n/wA=')

  const replay = await dead('replay', '--all', '--json')
  expect(replay.status).toBe(1)
  expect(JSON.parse(replay.stdout)).toEqual({
    replayed: 1,
    refused: [{ id: POISON, why: expect.stringContaining('cannot be read') }],
  })

  const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'test' })
  onTestFinished(() => broker.stop())
  await broker.start()
  const { promise, resolve } = Promise.withResolvers<{ headers: object; body: Buffer }>()
  await broker.consume({ queue: topology.workQueue('default', 'normal'), prefetch: 1, onDelivery: resolve })
  const delivery = await promise
  expect(delivery.headers).not.toHaveProperty('x-death')
  expect(taskMessageCodec.decode(delivery.body)).toMatchObject({
    attempt: 1,
    postpones: 0,
    cause: 'replay',
    generation: expect.any(Number),
    items: message.items,
  })

  expect(await dead('show', GOOD)).toMatchObject({ status: 1, stderr: expect.stringContaining(GOOD) })
  expect((await dead('purge', POISON)).stdout).toBe('1 deleted.\n')
  expect((await dead('list')).stdout).toBe('There is no dead letter.\n')
})

it('replays and purges nothing unless it is told which', async () => {
  expect(await dead('purge')).toMatchObject({ status: 1, stderr: expect.stringContaining('Say which') })
  expect(await dead('replay', GOOD, '--all')).toMatchObject({ status: 1, stderr: expect.stringContaining('Say which') })
  expect(await dead('show', NOBODY)).toMatchObject({ status: 1, stderr: expect.stringContaining(NOBODY) })
})

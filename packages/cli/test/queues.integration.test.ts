import {
  type Broker,
  createBroker,
  createSilentLogger,
  createTopology,
  type Database,
  migrate,
  openDatabase,
} from '@blockmill/core'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url: databaseUrl } = testDatabase()
const topology = createTopology({ namespace })
const ID = '00000000-0001-8000-8000-000000000001'

let broker: Broker
let database: Database

beforeAll(async () => {
  database = openDatabase({ url: databaseUrl, logger })
  await migrate(database, { logger })
  broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'test' })
  await broker.start()
  for (const queue of ['from', 'to']) await broker.declare(topology.work(queue))
  await database.query(
    `insert into blockmill.task (id, chain, name, queue, lane, status, attempt, postpones, scheduled_at, changed_at)
     values ($1, 'dev', 'a', 'from', 'low', 'scheduled', 1, 0, now() - interval '1 hour', now())`,
    [ID],
  )
})
afterAll(() => Promise.all([broker.stop(), database.close()]))
beforeEach(async () => {
  for (const lane of ['low', 'high'] as const) {
    await broker.purge(topology.workQueue('from', lane))
    const { redeliver } = topology.exchanges
    const message = { exchange: redeliver, body: Buffer.from('{}'), type: 'test' }
    await broker.publisher.publish({ ...message, routingKey: topology.taskKey('from', lane) })
    await expect.poll(() => waiting('from', lane)).toBe(1)
  }
})

async function waiting(queue: string, lane: 'low' | 'high'): Promise<number | undefined> {
  return (await broker.depth(topology.workQueue(queue, lane)))?.messages
}

const queues = (args: readonly string[], environment: Record<string, string> = {}) =>
  runHere(['queues', ...args], { RABBITMQ_URL: brokerUrl, BLOCKMILL_NAMESPACE: namespace, ...environment })

it('moves what waits in one lane, then in all', async () => {
  expect(await queues(['move', 'from', 'to', '--lane', 'low', '--json'])).toMatchObject({ stdout: '{"moved":1}\n' })
  await expect.poll(() => waiting('to', 'low')).toBe(1)
  expect(await waiting('from', 'high')).toBe(1)
  expect((await queues(['move', 'from', 'to'])).stdout).toBe('Moved 1 messages from from to to.\n')
})

it('purges without a database, and with one calls off the tasks that waited', async () => {
  const dropped = await queues(['purge', 'from', '--lane', 'high'])
  expect(dropped.stdout).toContain('Dropped 1 messages of from. Their tasks are on record')
  const purged = await queues(['purge', 'from', '--cancel', '--json'], { DATABASE_URL: databaseUrl })
  expect(JSON.parse(purged.stdout)).toEqual({ purged: 1, cancelled: 1 })
  expect(await database.query('select status from blockmill.task')).toEqual([{ status: 'cancelled' }])
})

it('is on record with what was done and what was refused, where there is a database', async () => {
  const since = new Date()
  const withRecord = { DATABASE_URL: databaseUrl }
  await queues(['move', 'from', 'to', '--lane', 'high'], withRecord)
  await queues(['purge', 'nowhere'], withRecord)
  expect(
    await database.query('select role, actor, route, params, status from blockmill.audit where at >= $1 order by id', [
      since,
    ]),
  ).toMatchObject([
    { role: 'operator', actor: 'command line', route: 'queues move', params: { arguments: ['from', 'to'] }, status: 0 },
    { role: 'operator', actor: 'command line', route: 'queues purge', params: { arguments: ['nowhere'] }, status: 1 },
  ])
})

it.each([
  [['purge', 'from', '--cancel'], 1, 'DATABASE_URL'],
  [['purge', 'nowhere'], 1, 'has no queue "nowhere"'],
  [['move', 'from', 'nowhere'], 1, 'has no queue "nowhere"'],
  [['move', 'from', 'from'], 1, 'another queue'],
  [['move', 'from', 'a.b'], 1, 'a.b'],
  [['move', 'from', 'to', '--lane', 'fast'], 2, 'high, normal, low'],
])('refuses %j, and says why', async (args, expected, text) => {
  const { status, stderr } = await queues(args)
  expect(stderr).toContain(text)
  expect(status).toBe(expected)
  expect(await waiting('from', 'low')).toBe(1)
})

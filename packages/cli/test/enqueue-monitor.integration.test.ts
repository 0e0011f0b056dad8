import { createBroker, createMetrics, createSilentLogger, createTopology, openDatabase } from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, expect, it } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url: databaseUrl } = testDatabase()
const TOKEN = 'operator-token-0123456789'

const topology = createTopology({ namespace })
const broker = createBroker({ url: brokerUrl, topology, logger, connectionName: 'test' })
const database = openDatabase({ url: databaseUrl, logger })
const monitor = createMonitor({
  config: { host: '127.0.0.1', port: 0, operatorTokens: [TOKEN] },
  logger,
  metrics: createMetrics('test'),
  broker,
  database,
})
let url: string

beforeAll(async () => {
  url = await monitor.start()
})
afterAll(async () => {
  await monitor.stop()
  await Promise.all([broker.stop(), database.close()])
})

const enqueue = (args: readonly string[], environment: Record<string, string> = { BLOCKMILL_OPERATOR_TOKEN: TOKEN }) =>
  runHere(['enqueue', ...args], environment)

it('enqueues through a monitor, without broker, database and tasks package', async () => {
  const args = ['note', '--monitor', url, '--args', '{"n":1}', '--priority', '0', '--execute-after', '5m', '--json']
  const first = await enqueue(args)
  const { id, isNew } = JSON.parse(first.stdout) as { id: string; isNew: boolean }
  expect(isNew).toBe(true)
  expect(JSON.parse((await enqueue(args)).stdout)).toEqual({ id, isNew: false })
  const rows = () => database.query('select id, chain, name, lane, status from blockmill.task')
  await expect.poll(rows).toEqual([{ id, chain: 'default', name: 'note', lane: 'high', status: 'scheduled' }])
})

it('says what the monitor says, and when there is none', async () => {
  const refusals = await Promise.all([
    enqueue(['note', '--monitor', url, '--queue', 'nowhere']),
    enqueue(['note', '--monitor', url], {}),
    enqueue(['note', '--monitor', 'http://127.0.0.1:1']),
    enqueue(['note', '--monitor', 'localhost:8080']),
  ])
  expect(refusals.map(({ status }) => status)).toEqual([1, 1, 1, 1])
  expect(refusals.map(({ stderr }) => stderr)).toEqual([
    expect.stringContaining("no queue 'nowhere'"),
    expect.stringContaining('needs a token'),
    expect.stringContaining('cannot be reached'),
    expect.stringContaining('must be a URL'),
  ])
})

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { expect, it, onTestFinished } from 'vitest'

import {
  createBroker,
  createMetrics,
  createSilentLogger,
  createTopology,
  openDatabase,
  TASK_MESSAGE_TYPE,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'

import { messageRecords } from '../src/recorder/message-records.ts'
import { createRecorder } from '../src/recorder/recorder.ts'
import { foldBatch } from '../src/recorder/records.ts'
import { storeRecords } from '../src/recorder/store-records.ts'
import type { DoomedRecorder } from './fixtures/doomed-recorder.ts'
import { eventMessage, heartbeat, type Message, succeeded, taskMessage } from './message-arbitraries.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const rabbit = testBroker()
const { url } = testDatabase({ migrate: migrateTemplate })

/** Runs a recorder until it is killed: it has stored a batch, and would have acked it next. */
async function runDoomedRecorder(settings: DoomedRecorder): Promise<void> {
  const file = fileURLToPath(new URL('fixtures/doomed-recorder.ts', import.meta.url))
  const child = fork(file, [JSON.stringify(settings)])
  onTestFinished(() => void child.kill('SIGKILL'))
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
}

it('has the same rows when recorders are killed between commit and ack, and several finish the work', async () => {
  const topology = createTopology({ namespace: rabbit.namespace })
  const broker = createBroker({ url: rabbit.url, topology, logger, connectionName: 'recorder-killed' })
  const database = openDatabase({ url, logger })
  onTestFinished(async () => {
    await broker.stop()
    await database.close()
  })
  await broker.start()
  const blocks = Array.from({ length: 40 }, (_, block) => block)
  const messages: readonly Message[] = blocks.flatMap((block) => [
    taskMessage([block]),
    heartbeat([block], 1),
    eventMessage([succeeded(block)]),
  ])
  // Each of them twice, as a publisher does that has lost its connection.
  await Promise.all(
    [...messages, ...messages].map(({ type, body }) => {
      const isTask = type === TASK_MESSAGE_TYPE
      const exchange = isTask ? topology.exchanges.tasks : topology.exchanges.events
      const routingKey = isTask ? topology.taskKey('default', 'normal') : topology.eventKey('test')
      return broker.publisher.publish({ exchange, routingKey, type, body })
    }),
  )
  const tasks = () => database.query('select * from blockmill.task order by id')
  const totals = () =>
    database.query(
      'select status, sum(count)::int as count from blockmill.task_count group by status having sum(count) <> 0',
    )

  const settings = { brokerUrl: rabbit.url, databaseUrl: url, namespace: rabbit.namespace }
  await runDoomedRecorder({ ...settings, acks: 0 })
  expect(await tasks()).not.toEqual([])
  // Nothing was acked: the broker has everything still.
  await waitFor(async () => (await broker.depth(topology.monitorQueue))?.messages === 2 * messages.length, {
    describe: 'the broker to have taken everything back',
  })
  await runDoomedRecorder({ ...settings, acks: 3 })

  const recorders = [1, 2].map(() =>
    createRecorder({ broker, database, logger, metrics: createMetrics('monitor'), prefetch: 50 }),
  )
  await Promise.all(recorders.map((recorder) => recorder.start()))
  await waitFor(
    async () => {
      const [row] = await database.query<{ count: number }>(
        `select count(*) as count from blockmill.task where status = 'succeeded' and args is not null`,
      )
      return row?.count === blocks.length && (await broker.depth(topology.monitorQueue))?.messages === 0
    },
    { describe: 'every task to be recorded', timeoutMs: 30_000 },
  )
  await Promise.all(recorders.map((recorder) => recorder.stop()))
  await waitFor(async () => (await broker.depth(topology.monitorQueue))?.messages === 0, {
    describe: 'the queue to stay empty',
  })

  const killed = { tasks: await tasks(), totals: await totals() }
  await database.query('delete from blockmill.task')
  await storeRecords(database, foldBatch(messages.map(({ type, body }) => messageRecords(type, body))))
  expect(killed).toEqual({ tasks: await tasks(), totals: await totals() })
})

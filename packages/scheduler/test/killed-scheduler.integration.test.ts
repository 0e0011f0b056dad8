import {
  createBackfillJob,
  createBackfills,
  createBroker,
  createSilentLogger,
  createTopology,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { expect, it, onTestFinished } from 'vitest'

import { createCoverageStore } from '../src/coverage/coverage-store.ts'
import { createSql } from '../src/sql.ts'
import { DOOM_POINTS, DOOMED_CHAIN, DOOMED_HEAD, type DoomedSettings, FILLED } from './fixtures/doomed-settings.ts'
import { endOf, startDoomedScheduler } from './doomed-process.ts'
import { migratedDatabase, open } from './migrated-database.ts'

const amqp = testBroker()
const postgres = migratedDatabase()
const topology = createTopology({ namespace: amqp.namespace })

const startScheduler = (settings: Partial<DoomedSettings> = {}) =>
  startDoomedScheduler({ ...settings, brokerUrl: amqp.url, databaseUrl: postgres.url, namespace: amqp.namespace })

it('schedules every block under one id, wherever a scheduler is killed', async () => {
  const database = open(postgres.url)
  const observer = createBroker({
    url: amqp.url,
    topology,
    logger: createSilentLogger(),
    connectionName: 'observer',
  })
  onTestFinished(async () => {
    await observer.stop()
    await database.close()
  })
  const messages: TaskMessage[] = []
  await observer.start()
  await observer.consume({
    queue: topology.monitorQueue,
    prefetch: 1_000,
    onDelivery(delivery) {
      messages.push(taskMessageCodec.decode(delivery.body))
      delivery.ack()
    },
  })

  const killedAt = async (settings: Partial<DoomedSettings>): Promise<void> => {
    expect({ ...settings, end: await endOf(startScheduler(settings)) }).toEqual({ ...settings, end: 'SIGKILL' })
  }
  for (const point of DOOM_POINTS) {
    // The first message, and one in the middle of a step; the written ranges are the same for both.
    for (const after of point === 'writing' || point === 'written' ? [1] : [1, 700]) {
      await killedAt({ during: 'live', point, after })
    }
  }
  await waitFor(() => messages.length > 0, { describe: 'the first messages' })

  const filled = {
    chain: DOOMED_CHAIN,
    task: FILLED,
    head: 'finalized',
    from: 1,
    to: DOOMED_HEAD,
    createdBy: 'test',
  } as const
  await createBackfills(database).create(createBackfillJob(filled, new Date()))
  for (const point of DOOM_POINTS) await killedAt({ during: 'backfill', point, after: 3 })

  startScheduler()
  const store = createCoverageStore({ sql: createSql(database), chain: DOOMED_CHAIN })
  const everything = [{ from: 1, to: DOOMED_HEAD }]
  await waitFor(
    async () => {
      const evaluated = (await store.load()).map((one) => [one.task, one.evaluated] as const)
      expect(new Map(evaluated)).toEqual(
        new Map([
          ['each', everything],
          [FILLED, everything],
          ['newest', everything],
          ['seventh', everything],
        ]),
      )
      return true
    },
    { describe: 'every block to be evaluated for every task', timeoutMs: 60_000 },
  )

  const idsByBlock = () => {
    const all = new Map<string, Set<string>>()
    for (const { task, items } of messages) {
      for (const { id, block } of items) {
        const unit = `${task} ${block?.number}`
        all.set(unit, (all.get(unit) ?? new Set()).add(id))
      }
    }
    return all
  }
  const due = (name: string, isDue: (block: number) => boolean) =>
    Array.from({ length: DOOMED_HEAD }, (_, index) => index + 1)
      .filter(isDue)
      .map((block) => `${name} ${block}`)
  const expected = [
    ...due('each', () => true),
    ...due(FILLED, () => true),
    ...due('newest', () => true),
    ...due('seventh', (block) => block % 7 === 0),
  ]
  // Coverage is written when the broker has the messages, and they may arrive later.
  await waitFor(() => idsByBlock().size >= expected.length, { describe: 'all messages to arrive' })
  expect([...idsByBlock().keys()].sort()).toEqual(expected.sort())
  expect([...idsByBlock()].filter(([, ids]) => ids.size !== 1)).toEqual([])
}, 300_000)

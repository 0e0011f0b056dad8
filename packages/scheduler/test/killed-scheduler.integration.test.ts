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
import {
  DOOM_POINTS,
  type DoomPoint,
  DOOMED_CHAIN,
  DOOMED_HEAD,
  type DoomedSettings,
  FILLED,
} from './fixtures/doomed-settings.ts'
import { endOf, startDoomedScheduler } from './doomed-process.ts'
import { migratedDatabase, open } from './migrated-database.ts'

const amqp = testBroker()
const postgres = migratedDatabase()
const topology = createTopology({ namespace: amqp.namespace })

/** The first message, and one in the middle of a step; announcements are few, and the written ranges are the same for both. */
const AFTER: Readonly<Record<DoomPoint, readonly number[]>> = {
  'before-publish': [1, 700],
  published: [1, 700],
  announced: [1, 7],
  confirmed: [1, 700],
  writing: [1],
  written: [1],
}

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
  await observer.start()
  const collect = async (...queues: readonly string[]): Promise<TaskMessage[]> => {
    const messages: TaskMessage[] = []
    for (const queue of queues) {
      await observer.consume({
        queue,
        prefetch: 1_000,
        onDelivery(delivery) {
          messages.push(taskMessageCodec.decode(delivery.body))
          delivery.ack()
        },
      })
    }
    return messages
  }
  await observer.declare(topology.work('default'))
  await observer.declare(topology.work(FILLED))
  const told = await collect(topology.monitorQueue)
  const published = await collect(topology.workQueue('default', 'normal'), topology.workQueue(FILLED, 'low'))

  const killedAt = async (settings: Partial<DoomedSettings>): Promise<void> => {
    expect({ ...settings, end: await endOf(startScheduler(settings)) }).toEqual({ ...settings, end: 'SIGKILL' })
  }
  for (const point of DOOM_POINTS) {
    for (const after of AFTER[point]) {
      await killedAt({ during: 'live', point, after })
    }
  }
  await waitFor(() => told.length > 0 && published.length > 0, { describe: 'the first messages' })

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

  const idsByBlock = (messages: readonly TaskMessage[]) => {
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
  for (const messages of [published, told]) {
    await waitFor(() => idsByBlock(messages).size >= expected.length, { describe: 'all messages to arrive' })
    expect([...idsByBlock(messages).keys()].sort()).toEqual(expected.sort())
    expect([...idsByBlock(messages)].filter(([, ids]) => ids.size !== 1)).toEqual([])
  }
}, 300_000)

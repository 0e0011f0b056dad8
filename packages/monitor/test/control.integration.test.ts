import { randomUUID } from 'node:crypto'

import {
  type Broker,
  type ControlMessage,
  controlMessage,
  type ControlReply,
  controlReplyCodec,
  createBroker,
  createMetrics,
  createSilentLogger,
  createTopology,
  type Database,
  type Lane,
  listenToControl,
  openDatabase,
  publishControl,
} from '@blockmill/core'
import { createMonitor, type Monitor } from '@blockmill/monitor'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { storeLanes } from '../src/control/control-store.ts'
import { eventMessage, idOfBlock, succeeded } from './message-arbitraries.ts'
import { migrateTemplate } from './migrate-template.ts'

const logger = createSilentLogger()
const rabbit = testBroker()
const { url: databaseUrl } = testDatabase({ migrate: migrateTemplate })
const topology = createTopology({ namespace: rabbit.namespace })

type State = Extract<ControlMessage, { type: 'state' }>

/** The operator's connection, which also stands for a worker's. */
let broker: Broker
let database: Database
const states: State[] = []
/** Of the latest order. */
const answers: ControlReply[] = []
const replyTo = randomUUID()

beforeAll(async () => {
  broker = createBroker({ url: rabbit.url, topology, logger, connectionName: 'control-test' })
  database = openDatabase({ url: databaseUrl, logger })
  await broker.start()
  await broker.listen({
    exchange: topology.exchanges.reply,
    pattern: replyTo,
    onMessage: ({ body }) => void answers.push(controlReplyCodec.decode(body)),
  })
  await listenToControl(broker, {
    logger,
    onMessage(message) {
      if (message.type === 'state') states.push(message)
    },
  })
})
afterAll(() => Promise.all([broker.stop(), database.close()]))
beforeEach(() => database.query('truncate blockmill.queue_state, blockmill.cancel_request, blockmill.task_attempt'))

async function startMonitor(): Promise<Monitor> {
  const own = createBroker({ url: rabbit.url, topology, logger, connectionName: 'monitor-test' })
  const ownDatabase = openDatabase({ url: databaseUrl, logger })
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0, spacingMs: 1 },
    logger,
    metrics: createMetrics('monitor'),
    broker: own,
    database: ownDatabase,
  })
  onTestFinished(async () => {
    await monitor.stop()
    await Promise.all([own.stop(), ownDatabase.close()])
  })
  states.length = 0
  await monitor.start()
  // It tells once by itself. Whoever asks later is not to be answered by that.
  await waitFor(() => states.at(-1), { describe: 'the monitor to tell what it knows' })
  return monitor
}

/** Gives an order as an operator does, until all monitors have answered: it is stored then. */
async function giveOrder(
  what: Parameters<typeof controlMessage>[0],
  { monitors = 1 } = {},
): Promise<readonly ControlReply[]> {
  answers.length = 0
  await publishControl(broker, { ...controlMessage(what, { by: 'ada', nowMs: Date.now() }), replyTo })
  await waitFor(() => answers.length >= monitors, { describe: 'the monitors to answer' })
  return answers
}

const pause = (queue: string, lane?: Lane) => giveOrder({ type: 'pause', queue, ...(lane && { lane }) })
const cancel = (...blocks: readonly number[]) => giveOrder({ type: 'cancel', taskIds: blocks.map(idOfBlock) })

/** What a worker is told that starts now. */
async function askAsWorker({ monitors = 1 } = {}): Promise<State> {
  states.length = 0
  await publishControl(broker, controlMessage({ type: 'sync' }, { by: 'worker-a', nowMs: Date.now() }))
  return waitFor(() => states[monitors - 1], { describe: 'the monitors to answer' })
}

const paused = ({ lanes }: State) =>
  lanes
    .filter((lane) => lane.paused)
    .map(({ queue, lane }) => `${queue}.${lane}`)
    .sort()

describe('a monitor', () => {
  it('remembers pauses, says so, and tells workers that start later', async () => {
    await startMonitor()
    expect(await pause('slow')).toMatchObject([{ type: 'monitor' }])
    expect(await pause('other', 'low')).toMatchObject([{ type: 'monitor' }])
    expect(paused(await askAsWorker())).toEqual(['other.low', 'slow.high', 'slow.low', 'slow.normal'])
    expect(await giveOrder({ type: 'resume', queue: 'slow', lane: 'high' })).toHaveLength(1)
    expect(paused(await askAsWorker())).toEqual(['other.low', 'slow.low', 'slow.normal'])
    const [stats] = await giveOrder({ type: 'stats' })
    expect(stats).toMatchObject({ type: 'monitor-stats' })
    expect(stats?.type === 'monitor-stats' && stats.lanes.find(({ lane }) => lane === 'high')).toMatchObject({
      queue: 'slow',
      paused: false,
      changedBy: 'ada',
    })
  })

  it('remembers cancels until the task has ended', async () => {
    await startMonitor()
    const before = Date.now()
    await cancel(1, 2)
    const { cancelled } = await askAsWorker()
    expect(new Set(cancelled.map(({ taskId }) => taskId))).toEqual(new Set([idOfBlock(1), idOfBlock(2)]))
    for (const { cancelledAt } of cancelled) expect(cancelledAt).toBeGreaterThanOrEqual(before)
    const { type, body } = eventMessage([succeeded(1)])
    const { exchanges } = topology
    await broker.publisher.publish({ exchange: exchanges.events, routingKey: topology.eventKey('test'), type, body })
    await waitFor(async () => (await askAsWorker()).cancelled.length === 1, {
      describe: 'the ended task to be left out',
    })
    expect((await askAsWorker()).cancelled).toMatchObject([{ taskId: idOfBlock(2) }])
  })

  it('goes on telling of those of orphaned tasks, whose messages may still wait', async () => {
    await startMonitor()
    await cancel(3)
    await database.query(
      `insert into blockmill.task (id, chain, name, status, attempt, postpones, changed_at)
       values ($1, 'dev', 'a', 'orphaned', 1, 0, now())`,
      [idOfBlock(3)],
    )
    expect((await askAsWorker()).cancelled).toMatchObject([{ taskId: idOfBlock(3) }])
  })

  it('forgets cancels after a day', async () => {
    await startMonitor()
    const insert = (block: number, age: string) =>
      database.query(`insert into blockmill.cancel_request values ($1, now() - $2::interval, 'ada')`, [
        idOfBlock(block),
        age,
      ])
    await insert(1, '25 hours')
    await insert(2, '23 hours')
    expect((await askAsWorker()).cancelled).toMatchObject([{ taskId: idOfBlock(2) }])
    expect(await database.query('select task_id from blockmill.cancel_request')).toEqual([{ task_id: idOfBlock(2) }])
  })

  it('remembers what it was told before it was started again', async () => {
    const first = await startMonitor()
    await pause('kept')
    await first.stop()
    await startMonitor()
    expect(paused(await askAsWorker())).toEqual(['kept.high', 'kept.low', 'kept.normal'])
  })

  it('answers and stores once when there are two', async () => {
    await startMonitor()
    await startMonitor()
    await giveOrder({ type: 'pause', queue: 'shared' }, { monitors: 2 })
    const state = await askAsWorker({ monitors: 2 })
    expect(paused(state)).toEqual(['shared.high', 'shared.low', 'shared.normal'])
    expect(answers).toHaveLength(2)
  })

  it('keeps the later of two orders, whichever is stored first', async () => {
    const order = { queue: 'q', lane: 'normal', changedBy: 'ada' } as const
    await storeLanes(database.query, [{ ...order, paused: false, changedAt: 2_000 }])
    await storeLanes(database.query, [{ ...order, paused: true, changedAt: 1_000 }])
    await startMonitor()
    expect((await askAsWorker()).lanes).toMatchObject([{ paused: false, changedAt: 2_000 }])
  })

  it('tells as much as fits into a message', async () => {
    await database.query(
      `insert into blockmill.cancel_request
       select md5(n::text)::uuid, now() - n * interval '1 ms', 'ada' from generate_series(1, 12000) as n`,
    )
    await database.query(
      `insert into blockmill.queue_state
       select repeat('q', 58) || n, 'normal', n % 2 = 0, now(), repeat('a', 32) from generate_series(1, 1200) as n`,
    )
    await startMonitor()
    const { cancelled, lanes } = await askAsWorker()
    expect([cancelled.length, lanes.length]).toEqual([10_000, 1_000])
    expect(lanes.filter((lane) => lane.paused)).toHaveLength(600)
  })
})

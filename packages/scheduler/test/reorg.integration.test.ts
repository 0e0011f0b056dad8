import {
  type AnyTaskDefinition,
  argsHash,
  type Broker,
  type ControlMessage,
  createSilentLogger,
  createTopology,
  type Database,
  defineTask,
  EVENT_MESSAGE_TYPE,
  eventMessageCodec,
  listenToControl,
  type TaskEvent,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { createScriptedChain, type ScriptedChain, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { createCoverageStore } from '../src/coverage/coverage-store.ts'
import { type BranchReplacement, createBranchStore } from '../src/reorg/branch-store.ts'
import type { SchedulerConfig } from '../src/scheduler.ts'
import { createSql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'
import { brokerClient, createRunningScheduler } from './running-scheduler.ts'
import { createSwitchingChain } from './switching-chain.ts'

const amqp = testBroker()
const postgres = migratedDatabase()
const topology = createTopology({ namespace: amqp.namespace })
const logger = createSilentLogger()
const run = () => null
const onLatest = (name: string) => defineTask({ name, head: 'latest', run })
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

let database: Database
let observer: Broker
let messages: TaskMessage[] = []
let events: TaskEvent[] = []
let orders: ControlMessage[] = []
let chainName = ''
let chains = 0

/** Not what comes late of an earlier test. */
const isOfTest = ({ chain }: { readonly chain: string }): boolean => chain === chainName

beforeAll(async () => {
  database = open(postgres.url)
  observer = brokerClient(amqp.url, amqp.namespace, logger, 'observer')
  await observer.start()
  await observer.consume({
    queue: topology.monitorQueue,
    prefetch: 1_000,
    onDelivery(delivery) {
      const { type, body } = delivery
      if (type === EVENT_MESSAGE_TYPE) events.push(...eventMessageCodec.decode(body).events.filter(isOfTest))
      else messages.push(...[taskMessageCodec.decode(body)].filter(isOfTest))
      delivery.ack()
    },
  })
  await listenToControl(observer, {
    logger,
    onMessage(message) {
      if (message.by === `scheduler of ${chainName}`) orders.push(message)
    },
  })
})
afterAll(async () => {
  await observer.stop()
  await database.close()
})
beforeEach(() => {
  messages = []
  events = []
  orders = []
  chainName = `chain-${(chains += 1)}`
})

async function start(chain: ScriptedChain, tasks: readonly AnyTaskDefinition[], config: Partial<SchedulerConfig> = {}) {
  const running = createRunningScheduler({
    tasks,
    chain,
    chainName,
    config,
    brokerUrl: amqp.url,
    namespace: amqp.namespace,
    databaseUrl: postgres.url,
  })
  await running.scheduler.start()
  return running
}

const coverageOf = async (task: string) => {
  const all = await createCoverageStore({ sql: createSql(database), chain: chainName }).load()
  return all.find((one) => one.task === task)?.evaluated
}
const hasCovered = (task: string, from: number, to: number) =>
  expect.poll(() => coverageOf(task)).toEqual([{ from, to }])
const scheduled = (task: string) =>
  messages
    .filter((message) => message.task === task)
    .flatMap(({ items, generation = 0 }) => items.map(({ id, block }) => ({ id, generation, ...block })))
const orphans = (count: number) =>
  waitFor(() => events.length >= count && events, { describe: `${count} orphaned tasks` })
const cancelledIds = () => orders.flatMap((order) => (order.type === 'cancel' ? order.taskIds : []))
/** Orders come by a queue of their own, so before or after events. */
const calledOff = (count: number) =>
  waitFor(() => cancelledIds().length >= count, { describe: `${count} tasks to be called off` })
const query = <Row extends object>(sql: string) => database.query<Row>(sql, [chainName])
const recentBlocks = () =>
  query<{ number: number; hash: string; generation: number }>(
    'select number, hash, generation from blockmill.recent_block where chain = $1 order by number',
  )
const orphanedBlocks = () =>
  query<{ number: number; hash: string; generation: number }>(
    'select number, hash, generation from blockmill.orphaned_block where chain = $1 order by number',
  )

/** Puts tasks on record as a monitor does. */
async function record(status: string, tasks: readonly { id: string; number?: number; hash?: string }[]): Promise<void> {
  for (const { id, number, hash } of tasks) {
    await database.query(
      `insert into blockmill.task (id, chain, name, block_number, block_hash, args, args_hash, status, attempt, postpones, changed_at)
       values ($1, $2, 'a', $3, $4, '{}', $5, $6, 1, 0, now())`,
      [id, chainName, number, hash, argsHash({}), status],
    )
  }
}

describe('a reorganisation', () => {
  it('of depth 3 orphans three tasks for each task on latest, and schedules three canonical ones', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 10 })
    await start(chain, [onLatest('a'), onLatest('b'), defineTask({ name: 'final', run })], { start: 90 })
    chain.advanceTo(105)
    await hasCovered('a', 90, 105)
    await hasCovered('b', 90, 105)
    const before = await chain.hashes(range(103, 105))
    chain.reorg(3)
    await orphans(6)
    await waitFor(() => scheduled('a').length === 19 && scheduled('b').length === 19, { describe: 'canonical tasks' })
    const after = await chain.hashes(range(103, 105))
    for (const task of ['a', 'b']) {
      await hasCovered(task, 90, 105)
      const gone = scheduled(task).filter(({ hash }) => before.includes(hash))
      const ofTask = events.filter((event) => event.task === task)
      expect(ofTask.map(({ taskId }) => taskId)).toEqual(gone.map(({ id }) => id))
      expect(scheduled(task).slice(16)).toMatchObject(
        range(103, 105).map((number, index) => ({ number, hash: after[index] })),
      )
    }
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['orphaned']))
    await calledOff(6)
    expect(cancelledIds().sort()).toEqual(events.map(({ taskId }) => taskId).sort())
    await waitFor(() => scheduled('final').length >= 6, { describe: 'the tasks on finalized' })
    expect(scheduled('final').map(({ number }) => number)).toEqual(range(90, 95))
    expect((await orphanedBlocks()).map(({ hash }) => hash)).toEqual(before)
    expect((await recentBlocks()).slice(-3)).toMatchObject(after.map((hash) => ({ hash, generation: 0 })))
  })

  it('without a scheduler is found by the next one, with the tasks that are on record', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 10 })
    const first = await start(chain, [onLatest('a')], { start: 98 })
    await hasCovered('a', 98, 100)
    await waitFor(() => scheduled('a').length === 3, { describe: 'three tasks' })
    await first.stop()
    const [kept, done, waiting] = scheduled('a')
    await record(
      'succeeded',
      [kept, done].filter((task) => task !== undefined),
    )
    await record(
      'scheduled',
      [waiting].filter((task) => task !== undefined),
    )
    chain.reorg(2)
    chain.advanceTo(103)

    await start(chain, [onLatest('a')])
    await orphans(2)
    await hasCovered('a', 98, 103)
    expect(new Set(events.map(({ taskId }) => taskId))).toEqual(new Set([done?.id, waiting?.id]))
    await calledOff(1)
    expect(orders).toMatchObject([{ type: 'cancel', taskIds: [waiting?.id], sentAt: events[0]?.generation }])
    await waitFor(() => scheduled('a').length === 8, { describe: 'canonical tasks' })
    expect(scheduled('a').map(({ number }) => number)).toEqual([98, 99, 100, 99, 100, 101, 102, 103])
  })

  it('that was recorded before a crash is reported after it, also for tasks that come on record later', async () => {
    const chain = createScriptedChain({ head: 100, finalityLag: 10 })
    const first = await start(chain, [onLatest('a')], { start: 99 })
    await hasCovered('a', 99, 100)
    await waitFor(() => scheduled('a').length === 2, { describe: 'two tasks' })
    const [known, late] = scheduled('a')
    await first.stop()
    await record(
      'retrying',
      [known].filter((task) => task !== undefined),
    )
    // What the former leader has done before it was killed.
    const generation = 1_700_000_000_000
    const orphaned = range(99, 100).map((number, index) => ({
      number,
      hash: [known, late][index]?.hash ?? '',
      generation,
    }))
    chain.reorg(2)
    const blocks = (await chain.hashes([99, 100])).map((hash = '', index) => ({
      number: 99 + index,
      hash,
      generation: 0,
    }))
    const [lease] = await query<{ token: number }>('select token from blockmill.scheduler_lease where chain = $1')
    const store = createBranchStore({ sql: createSql(database), chain: chainName })
    await store.replace(lease?.token ?? 0, { ancestor: 98, orphaned, blocks, keptFrom: 0 })

    const second = await start(chain, [onLatest('a')])
    expect((await orphans(1)).map(({ taskId }) => taskId)).toEqual([known?.id])
    await record(
      'running',
      [late].filter((task) => task !== undefined),
    )
    expect((await orphans(2)).map(({ taskId }) => taskId)).toEqual([known?.id, late?.id])
    expect(events).toMatchObject([{ generation }, { generation }])
    await hasCovered('a', 99, 100)
    expect((await second.metrics.metrics()).match(/blockmill_reorgs_total\{.*\} (\d+)/)?.[1]).toBe('0')
  })

  it('there and back runs the first tasks again, in a generation that is on record', async () => {
    const first = createScriptedChain({ head: 100, finalityLag: 50 })
    const second = createScriptedChain({ head: 100, finalityLag: 50 })
    second.reorg(2)
    const { chain, use } = createSwitchingChain(first)
    await start(chain, [onLatest('a')], { start: 98 })
    await hasCovered('a', 98, 100)
    use(second)
    await orphans(2)
    await waitFor(() => scheduled('a').length === 5, { describe: 'the tasks of the other branch' })
    use(first)
    await orphans(4)
    await waitFor(() => scheduled('a').length === 7, { describe: 'the first tasks again' })
    const tasks = scheduled('a')
    expect(tasks.slice(5).map(({ id }) => id)).toEqual(tasks.slice(1, 3).map(({ id }) => id))
    const generation = tasks[5]?.generation
    expect(generation).toBeGreaterThan(events[0]?.generation ?? 0)
    expect(await recentBlocks()).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ number: 98, generation: 0 }),
        expect.objectContaining({ number: 99, hash: tasks[1]?.hash, generation }),
        expect.objectContaining({ number: 100, hash: tasks[2]?.hash, generation }),
      ]),
    )
    expect((await orphanedBlocks()).map(({ hash }) => hash)).toEqual(tasks.slice(3, 5).map(({ hash }) => hash))
  })
})

describe('the branch on record', () => {
  it('is kept as it was when a former leader replaces it', async () => {
    const chain = createScriptedChain({ head: 100 })
    const { stop } = await start(chain, [onLatest('a')], { start: 99 })
    await hasCovered('a', 99, 100)
    await stop()
    const before = await recentBlocks()
    const store = createBranchStore({ sql: createSql(database), chain: chainName })
    const replacement: BranchReplacement = {
      ancestor: 98,
      orphaned: [{ number: 99, hash: '0x99', generation: 1 }],
      blocks: [{ number: 99, hash: '0xnew', generation: 0 }],
      keptFrom: 0,
    }
    await expect(store.replace(0, replacement)).rejects.toMatchObject({ code: 'SCHEDULER_LEASE_LOST' })
    await expect(store.extend(0, replacement)).rejects.toMatchObject({ code: 'SCHEDULER_LEASE_LOST' })
    expect(await recentBlocks()).toEqual(before)
    expect(await orphanedBlocks()).toEqual([])
    expect(await coverageOf('a')).toEqual([{ from: 99, to: 100 }])
  })

  it('knows which blocks tasks on latest were scheduled for', async () => {
    const chain = createScriptedChain({ head: 100 })
    await start(chain, [onLatest('a'), defineTask({ name: 'b', run })], { start: 98 })
    await hasCovered('a', 98, 100)
    await waitFor(() => scheduled('a').length === 3, { describe: 'three tasks' })
    await record('succeeded', scheduled('a'))
    const store = createBranchStore({ sql: createSql(database), chain: chainName })
    const expected = scheduled('a').map(({ number, hash }) => ({ number, hash }))
    expect(await store.scheduledBlocks(99, 200)).toEqual(expect.arrayContaining(expected.slice(1)))
    expect(await store.scheduledBlocks(99, 200)).toHaveLength(2)
    expect(await store.scheduledBlocks(0, 97)).toEqual([])
  })

  it('holds as many blocks as are kept, and the heads are beside it', async () => {
    const chain = createScriptedChain({ head: 2_000, finalityLag: 5 })
    await start(chain, [onLatest('a')], { reorgWindow: 100 })
    await hasCovered('a', 2_000, 2_000)
    chain.advanceTo(2_010)
    await hasCovered('a', 2_000, 2_010)
    chain.advanceTo(5_000)
    await waitFor(async () => (await recentBlocks()).at(-1)?.number === 5_000, { describe: 'the jump on record' })
    // What was jumped over and is final cannot be replaced.
    expect((await recentBlocks()).map(({ number }) => number)).toEqual(range(4_995, 5_000))
    for (let head = 5_001; head <= 5_120; head += 1) chain.advanceTo(head)
    await waitFor(async () => (await recentBlocks()).at(-1)?.number === 5_120, {
      describe: 'the next blocks on record',
    })
    expect((await recentBlocks()).length).toBeLessThanOrEqual(100)
    const expected = await chain.hashes((await recentBlocks()).map(({ number }) => number))
    expect((await recentBlocks()).map(({ hash }) => hash)).toEqual(expected)
    const [latest] = await chain.hashes([5_120])
    await waitFor(
      async () => {
        const [row] = await database.query('select * from blockmill.chain where id = $1', [chainName])
        return row?.latest_number === 5_120 && row.latest_hash === latest && row.finalized_number === 5_115
      },
      { describe: 'the heads on record' },
    )
  })
})

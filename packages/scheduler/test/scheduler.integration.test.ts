import {
  type AnyTaskDefinition,
  type Broker,
  createSilentLogger,
  createTopology,
  defineTask,
  everyNBlocks,
  type TaskMessage,
  taskMessageCodec,
} from '@blockmill/core'
import { createScriptedChain, type ScriptedChain, startTcpProxy, waitFor } from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'

import { createCoverageStore } from '../src/coverage/coverage-store.ts'
import type { SchedulerConfig } from '../src/scheduler.ts'
import { createSql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'
import { brokerClient, createRunningScheduler } from './running-scheduler.ts'

const amqp = testBroker()
const postgres = migratedDatabase()
const topology = createTopology({ namespace: amqp.namespace })
const run = () => null
const task = (name: string) => defineTask({ name, run })
const blocks = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

let database: ReturnType<typeof open>
let observer: Broker
/** What the monitor was told, and what workers of the default queue would get. */
let messages: TaskMessage[] = []
let published: TaskMessage[] = []

beforeAll(async () => {
  database = open(postgres.url)
  observer = brokerClient(amqp.url, amqp.namespace, createSilentLogger(), 'observer')
  await observer.start()
  const collect = (queue: string, take: (message: TaskMessage) => void) =>
    observer.consume({
      queue,
      prefetch: 1_000,
      onDelivery(delivery) {
        const message = taskMessageCodec.decode(delivery.body)
        // Not what comes late of an earlier test.
        if (message.chain === chainName) take(message)
        delivery.ack()
      },
    })
  await observer.declare(topology.work('default'))
  await collect(topology.monitorQueue, (message) => messages.push(message))
  await collect(topology.workQueue('default', 'normal'), (message) => published.push(message))
})
afterAll(async () => {
  await observer.stop()
  await database.close()
})

let chainName = ''
let names = 0
beforeEach(() => {
  messages = []
  published = []
  chainName = `chain-${(names += 1)}`
})

interface StartOptions {
  readonly tasks: readonly AnyTaskDefinition[]
  readonly chain: ScriptedChain
  readonly config?: Partial<SchedulerConfig>
  readonly brokerUrl?: string
  readonly databaseUrl?: string
}

function create({ brokerUrl = amqp.url, databaseUrl = postgres.url, ...options }: StartOptions) {
  return createRunningScheduler({ ...options, brokerUrl, databaseUrl, chainName, namespace: amqp.namespace })
}

async function start(options: StartOptions) {
  const created = create(options)
  await created.scheduler.start()
  return created
}

const coverage = () => createCoverageStore({ sql: createSql(database), chain: chainName }).load()
const evaluated = async (name: string) => (await coverage()).find((one) => one.task === name)?.evaluated
const blocksOf = (all: readonly TaskMessage[], name: string) =>
  all.flatMap((message) => (message.task === name ? message.items : [])).map(({ block }) => block?.number)
const scheduled = (name: string) => blocksOf(messages, name)

const idsOf = () => messages.flatMap(({ items }) => items.map(({ id }) => id))

async function covered(name: string, from: number, to: number): Promise<void> {
  await expect.poll(() => evaluated(name)).toEqual([{ from, to }])
}

/** These blocks and no others; coverage is written when the broker has their messages, and these may arrive later. */
async function hasScheduled(name: string, numbers: readonly number[]): Promise<void> {
  await waitFor(() => scheduled(name).length >= numbers.length, { describe: `${numbers.length} blocks of ${name}` })
  expect(scheduled(name)).toEqual(numbers)
}

/** The same of tasks of the default queue, which workers get in that order. */
async function hasPublished(name: string, numbers: readonly number[]): Promise<void> {
  await hasScheduled(name, numbers)
  await waitFor(() => blocksOf(published, name).length >= numbers.length, { describe: `${numbers.length} messages` })
  expect(blocksOf(published, name)).toEqual(numbers)
}

describe('a scheduler on a real broker and database', () => {
  it('schedules the start block, the head, and every block in between', async () => {
    await start({ tasks: [task('a')], chain: createScriptedChain({ head: 103 }), config: { start: 100 } })
    await covered('a', 100, 103)
    await hasPublished('a', [100, 101, 102, 103])
  })

  it('follows jumps of the head in order, also when no hint of them arrives', async () => {
    const chain = createScriptedChain({ head: 90 })
    chain.setWakeUps(false)
    await start({ tasks: [task('a')], chain })
    for (const head of [100, 105, 112]) {
      chain.advanceTo(head)
      await covered('a', 90, head)
    }
    await hasPublished('a', blocks(90, 112))
  })

  it('ignores a head that is lower than one seen before', async () => {
    const chain = createScriptedChain({ head: 100 })
    const { metrics } = await start({ tasks: [task('a')], chain })
    chain.advanceTo(110)
    await covered('a', 100, 110)
    chain.lag(8)
    const looks = chain.requests.head
    await waitFor(() => chain.requests.head > looks + 1, { describe: 'a look at the lagging endpoint' })
    expect(await metrics.metrics()).toContain(`blockmill_chain_head{chain="${chainName}",service="scheduler"} 110`)
    chain.lag(0)
    chain.advance()
    await covered('a', 100, 111)
    await hasScheduled('a', blocks(100, 111))
  })

  it('goes on after a restart where each task was, and starts a new task at the head', async () => {
    const chain = createScriptedChain({ head: 100 })
    const first = await start({ tasks: [task('a')], chain })
    await covered('a', 100, 100)
    await first.stop()
    chain.advanceTo(130)
    await start({ tasks: [task('a'), task('b')], chain })
    await covered('a', 100, 130)
    await covered('b', 130, 130)
    await hasPublished('a', blocks(100, 130))
  })

  it('takes a head that is 20,000 blocks ahead, with one range of coverage', async () => {
    const chain = createScriptedChain({ head: 20_000 })
    await start({
      tasks: [task('a'), defineTask({ name: 'b', condition: everyNBlocks(100), run })],
      chain,
      config: { start: 1, queueWindow: 100_000 },
    })
    await covered('a', 1, 20_000)
    await covered('b', 1, 20_000)
    await hasPublished('a', blocks(1, 20_000))
    await hasPublished(
      'b',
      blocks(1, 200).map((number) => number * 100),
    )
    expect(new Set(idsOf()).size).toBe(20_200)
  })

  it('never puts much more than the window on the broker for a start block far below the head', async () => {
    const bounded = defineTask({ name: 'a', queue: 'bounded', run })
    const work = topology.workQueue('bounded', 'normal')
    await start({
      tasks: [bounded],
      chain: createScriptedChain({ head: 2_000 }),
      config: { start: 1, queueWindow: 500 },
    })
    const depth = async () => (await observer.depth(work))?.messages ?? 0
    await waitFor(async () => (await depth()) >= 500, { describe: 'the window to be full' })
    let most = 0
    let acked = 0
    const worker = await observer.consume({
      queue: work,
      prefetch: 100,
      onDelivery(delivery) {
        acked += 1
        delivery.ack()
      },
    })
    await waitFor(
      async () => {
        most = Math.max(most, await depth())
        return acked >= 2_000
      },
      { describe: 'all tasks to be taken', timeoutMs: 60_000 },
    )
    await worker.close()
    // The window, and a step that began below it.
    expect(most).toBeLessThanOrEqual(1_000)
    await hasScheduled('a', blocks(1, 2_000))
  })

  it('covers a lookback of 300 blocks on the low lane', async () => {
    const looking = defineTask({ name: 'a', backfill: { queue: 'looked-back', lookback: 300, chunk: 50 }, run })
    await start({ tasks: [looking], chain: createScriptedChain({ head: 5_000 }) })
    await covered('a', 4_700, 5_000)
    const chunks: number[] = []
    await observer.consume({
      queue: topology.workQueue('looked-back', 'low'),
      prefetch: 100,
      onDelivery(delivery) {
        chunks.push(taskMessageCodec.decode(delivery.body).items.length)
        delivery.ack()
      },
    })
    await waitFor(() => chunks.length === 6, { describe: 'six chunks' })
    expect(new Set(chunks)).toEqual(new Set([50]))
    await waitFor(() => scheduled('a').length === 301, { describe: 'the monitor to be told of all' })
    expect(new Set(scheduled('a'))).toEqual(new Set(blocks(4_700, 5_000)))
    const told = new Set(messages.map(({ lane, items }) => `${lane} ${items.length}`))
    expect(told).toEqual(new Set(['normal 1', 'low 100']))
  })

  it('says what it schedules when it starts', async () => {
    const { lines } = await start({
      tasks: [task('a'), defineTask({ name: 'b', chains: ['elsewhere'], run })],
      chain: createScriptedChain(),
    })
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'Synced 1 tasks', otherChains: 1 }))
    expect(lines).toContainEqual(
      expect.objectContaining({ msg: 'Task', task: 'a', queue: 'default', runs: 'every block', args: 1 }),
    )
  })

  it('tells its height and lag', async () => {
    const chain = createScriptedChain({ head: 100 })
    const broken = defineTask({
      name: 'broken',
      condition({ number }) {
        if (number > 101) throw new Error('no')
        return true
      },
      run,
    })
    const { metrics } = await start({ tasks: [task('a'), broken], chain })
    chain.advanceTo(105)
    await covered('a', 100, 105)
    await covered('broken', 100, 101)
    // It learns a moment after the record what is on it.
    await vi.waitFor(async () => {
      const text = await metrics.metrics()
      const valueOf = (name: string, name2: string) =>
        Number(text.match(new RegExp(`^${name}\\{[^}]*task="${name2}"[^}]*\\} (.+)$`, 'm'))?.[1])
      expect(valueOf('blockmill_scheduler_height', 'a')).toBe(105)
      expect(valueOf('blockmill_scheduler_lag_seconds', 'a')).toBe(0)
      expect(valueOf('blockmill_scheduler_height', 'broken')).toBe(101)
      expect(valueOf('blockmill_scheduler_lag_blocks', 'broken')).toBe(4)
      expect(valueOf('blockmill_scheduler_lag_seconds', 'broken')).toBeGreaterThan(0)
      expect(text).toMatch(
        /blockmill_tasks_scheduled_total\{[^}]*task="a",queue="default",lane="normal",cause="live"[^}]*\} 6/,
      )
      expect(text).toMatch(/blockmill_scheduler_leader\{[^}]*\} 1/)
    }, 30_000)
  })
})

describe('two schedulers of one chain', () => {
  it('schedule every block once; the standby takes over when the leader is gone', async () => {
    const chain = createScriptedChain({ head: 100 })
    const proxy = await startTcpProxy({ target: postgres.url })
    onTestFinished(() => proxy.stop())
    // No pause of this process is long enough for the lease to run out by itself.
    const config = { leaseTtlMs: 4_000 }
    const first = await start({ tasks: [task('a')], chain, config, databaseUrl: proxy.url })
    await covered('a', 100, 100)
    const second = await start({ tasks: [task('a')], chain, config })
    chain.advanceTo(105)
    await covered('a', 100, 105)
    expect(second.scheduler.isLeading()).toBe(false)

    // Cut off from the database the leader publishes one block more, whose coverage it can no longer write.
    proxy.stall()
    chain.advance()
    await covered('a', 100, 106)
    expect(second.scheduler.isLeading()).toBe(true)
    proxy.resume()
    await waitFor(() => !first.scheduler.isLeading(), { describe: 'the former leader to stand by' })
    chain.advance()
    await covered('a', 100, 107)
    await expect.poll(() => new Set(idsOf()).size).toBe(8)
  })
})

describe('a chain name', () => {
  it('stays bound to its genesis: another chain under it is never scheduled', async () => {
    const first = await start({ tasks: [task('a')], chain: createScriptedChain({ head: 100 }) })
    await covered('a', 100, 100)
    await first.stop()
    const wrong = create({ tasks: [task('a')], chain: createScriptedChain({ head: 200, seed: 'another' }) })
    await expect(wrong.scheduler.start()).rejects.toMatchObject({ code: 'CHAIN_WRONG_GENESIS', kind: 'configuration' })
    await wrong.stop()
    await covered('a', 100, 100)
    await hasScheduled('a', [100])
  })
})

describe('what is away', () => {
  it('is waited for at the start: broker, database and chain', async () => {
    const chain = createScriptedChain({ head: 100 })
    const toBroker = await startTcpProxy({ target: amqp.url })
    const toDatabase = await startTcpProxy({ target: postgres.url })
    onTestFinished(() => Promise.all([toBroker.stop(), toDatabase.stop()]).then(() => undefined))
    toBroker.refuse()
    toDatabase.refuse()
    chain.disconnect()
    const { scheduler, lines } = create({
      tasks: [task('a')],
      chain,
      brokerUrl: toBroker.url,
      databaseUrl: toDatabase.url,
    })
    const starting = scheduler.start()
    await waitFor(() => lines.filter(({ level }) => level >= 40).length >= 4, { describe: 'a line for each failure' })
    expect(await scheduler.notReadyBecause()).toEqual([
      'the scheduler is starting',
      'the broker is not connected, or blocks publishing',
      'the chain does not answer',
      'the database does not answer',
    ])
    await toBroker.accept()
    await toDatabase.accept()
    chain.resume()
    await starting
    await covered('a', 100, 100)
    expect(await scheduler.notReadyBecause()).toEqual([])
  })

  it.each(['broker', 'database', 'chain'] as const)('is waited for later: the %s', async (what) => {
    const chain = createScriptedChain({ head: 100 })
    const toBroker = await startTcpProxy({ target: amqp.url })
    const toDatabase = await startTcpProxy({ target: postgres.url })
    onTestFinished(() => Promise.all([toBroker.stop(), toDatabase.stop()]).then(() => undefined))
    const { scheduler } = await start({
      tasks: [task('a')],
      chain,
      brokerUrl: toBroker.url,
      databaseUrl: toDatabase.url,
    })
    await covered('a', 100, 100)

    const proxy = { broker: toBroker, database: toDatabase, chain: undefined }[what]
    proxy?.refuse()
    proxy?.cut()
    if (what === 'chain') chain.disconnect()
    await waitFor(async () => (await scheduler.notReadyBecause()).length > 0, { describe: 'it not to be ready' })
    chain.advanceTo(110)
    await proxy?.accept()
    if (what === 'chain') chain.resume()

    await covered('a', 100, 110)
    await waitFor(async () => (await scheduler.notReadyBecause()).length === 0, { describe: 'it to be ready again' })
    await expect.poll(() => new Set(idsOf()).size).toBe(11)
  })

  it('does not keep it from stopping, in the middle of the start', async () => {
    const chain = createScriptedChain({ head: 100 })
    chain.stall()
    const created = create({ tasks: [task('a')], chain, databaseUrl: 'postgresql://nobody@127.0.0.1:1/none' })
    const starting = created.scheduler.start()
    await waitFor(() => created.lines.some(({ level }) => level >= 40), { describe: 'a first failure' })
    await created.stop()
    await expect(starting).resolves.toBeUndefined()
    chain.resume()
  })

  it('does not keep it from stopping later', async () => {
    const chain = createScriptedChain({ head: 100 })
    const { stop } = await start({ tasks: [task('a')], chain })
    await covered('a', 100, 100)
    chain.stall()
    await stop()
    chain.resume()
  })
})

describe('start and stop', () => {
  it('may be called in any order and any number of times', async () => {
    const chain = createScriptedChain({ head: 100 })
    const { scheduler } = create({ tasks: [task('a')], chain })
    await Promise.all([scheduler.start(), scheduler.start()])
    await Promise.all([scheduler.stop(), scheduler.stop()])
    await scheduler.stop()

    const never = create({ tasks: [task('a')], chain })
    await never.scheduler.stop()
    await never.scheduler.start()
    expect(await never.scheduler.notReadyBecause()).toEqual(['the scheduler is stopping'])
  })
})

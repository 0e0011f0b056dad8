import { setTimeout as delay } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import {
  type Broker,
  createBroker,
  createMetrics,
  createSilentLogger,
  createTopology,
  type Database,
  DEAD_HEADERS,
  openDatabase,
} from '@blockmill/core'
import { createMonitor, type Monitor, type MonitorOptions } from '@blockmill/monitor'
import {
  callManagement,
  createDatabase,
  type NativePostgres,
  startNativePostgres,
  startTcpProxy,
  waitFor,
} from '@blockmill/testkit'
import { testBroker } from '@blockmill/testkit/vitest'

import { eventMessage, heartbeat, idOfBlock, type Message, succeeded, taskMessage } from './message-arbitraries.ts'

/** How long the database is away under load, at least: `npm run test:chaos -- --database-down 60s` sets it. */
const DATABASE_DOWN_MS = Number(process.env['CHAOS_DATABASE_DOWN_MS'] ?? 0)
/** Between 50 tasks that are scheduled and done in that time. */
const PAUSE_MS = 100

const logger = createSilentLogger()
const rabbit = testBroker()
let postgres: NativePostgres
let databases = 0

beforeAll(async () => {
  postgres = await startNativePostgres({ durable: true })
})
afterAll(() => postgres.stop())

/** It runs again after the test, whatever becomes of that. */
async function killPostgres(): Promise<{ restart(): Promise<void> }> {
  let isDown = true
  const restart = async (): Promise<void> => {
    if (isDown) await postgres.restart()
    isDown = false
  }
  onTestFinished(restart)
  await postgres.kill()
  return { restart }
}

interface Rig {
  readonly monitor: Monitor
  readonly broker: Broker
  readonly database: Database
  readonly databaseUrl: string
  readonly namespace: string
}

/** A monitor on a broker namespace of its own, not started. */
async function createRig({
  namespace = `${rabbit.namespace}-${(databases += 1)}`,
  databaseUrl,
  queryTimeoutMs = 20_000,
  ...changes
}: Partial<Pick<Rig, 'namespace' | 'databaseUrl'> & MonitorOptions & { queryTimeoutMs: number }> = {}): Promise<Rig> {
  const url = databaseUrl ?? (await createDatabase(postgres.url, `monitor_${databases}`))
  const topology = createTopology({ namespace })
  const broker = createBroker({ url: rabbit.url, topology, logger, connectionName: 'monitor-test' })
  const database = openDatabase({ url, logger, queryTimeoutMs })
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0, spacingMs: 1 },
    logger,
    metrics: createMetrics('monitor'),
    broker,
    database,
    ...changes,
  })
  onTestFinished(async () => {
    await monitor.stop()
    await Promise.all([broker.stop(), database.close()])
  })
  return { monitor, broker, database, databaseUrl: url, namespace }
}

async function startRig(options: Parameters<typeof createRig>[0] = {}): Promise<Rig & { readonly url: string }> {
  const rig = await createRig(options)
  return { ...rig, url: await rig.monitor.start() }
}

/** Publishes messages as scheduler and worker do, and waits for the confirms. */
async function publish({ broker }: Pick<Rig, 'broker'>, ...messages: readonly Message[]): Promise<void> {
  const { topology } = broker
  await Promise.all(
    messages.map(({ type, body }) =>
      broker.publisher.publish(
        type === 'blockmill.task.v1'
          ? { exchange: topology.exchanges.tasks, routingKey: topology.taskKey('default', 'normal'), type, body }
          : { exchange: topology.exchanges.events, routingKey: topology.eventKey('test'), type, body },
      ),
    ),
  )
}

async function countOf({ database }: Pick<Rig, 'database'>, where: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(`select count(*) as count from ${where}`)
  return row?.count ?? 0
}

function recorded(
  rig: Rig,
  count: number,
  where = `blockmill.task where status = 'succeeded' and args is not null`,
  timeoutMs = 30_000,
) {
  return waitFor(async () => (await countOf(rig, where)) === count, {
    describe: `${count} rows of ${where}`,
    timeoutMs,
  })
}

/** Of the queue of the record, with what the monitor holds and has not acked. The broker tells it every few seconds. */
async function heldByBroker({ namespace }: Rig, atLeast: number): Promise<void> {
  const { managementUrl } = rabbit
  if (managementUrl === undefined) return
  const isHeld = async () => {
    const queues = (await callManagement(managementUrl, 'GET', '/queues')) as { name: string; messages?: number }[]
    return (queues.find(({ name }) => name === `${namespace}.monitor`)?.messages ?? 0) >= atLeast
  }
  await waitFor(isHeld, { describe: `the broker to hold all ${atLeast} messages`, timeoutMs: 30_000, intervalMs: 500 })
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/health/ready`)).status === 200
}

function ready(url: string) {
  return waitFor(() => isReady(url), { describe: 'the monitor to be ready' })
}

/** What is on record may not be acked yet. */
function acked(url: string) {
  const look = async () =>
    /^blockmill_recorder_waiting_messages\S* 0$/m.test(await (await fetch(`${url}/metrics`)).text())
  return waitFor(look, { describe: 'the monitor to ack all that was delivered' })
}

/** A database behind a proxy. */
async function proxiedDatabase() {
  const databaseUrl = await createDatabase(postgres.url, `monitor_proxied_${(databases += 1)}`)
  const proxy = await startTcpProxy({ target: databaseUrl })
  onTestFinished(() => proxy.stop())
  return { proxy, databaseUrl: proxy.url }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

describe('the monitor', () => {
  it('is not ready while the database stalls, and stops all the same', async () => {
    const { proxy, databaseUrl } = await proxiedDatabase()
    const { monitor, broker, database, url } = await startRig({ databaseUrl, queryTimeoutMs: 600_000 })
    await ready(url)
    proxy.stall()
    expect(await (await fetch(`${url}/health/ready`)).json()).toMatchObject({
      reasons: expect.arrayContaining(['the database does not answer']),
    })
    await publish({ broker }, taskMessage([1]))
    // The statements that are under way would be waited for longer than this test may take.
    await monitor.stop()
    await Promise.all([broker.stop(), database.close()])
  })

  it('records what is scheduled and finished, and shows it', async () => {
    const rig = await startRig()
    const blocks = range(0, 300)
    await publish(
      rig,
      ...blocks.map((block) => taskMessage([block])),
      taskMessage(range(300, 400)),
      eventMessage(range(0, 400).map((block) => succeeded(block))),
      heartbeat([]),
    )
    await recorded(rig, 400)
    await waitFor(async () => (await rig.broker.depth(rig.broker.topology.monitorQueue))?.messages === 0, {
      describe: 'the queue to be empty',
    })
    await ready(rig.url)
    const task = await (await fetch(`${rig.url}/api/v1/tasks/${idOfBlock(350)}`)).json()
    expect(task).toMatchObject({ status: 'succeeded', queue: 'default', result: { block: 350 } })
    await waitFor(
      async () => {
        const metrics = await (await fetch(`${rig.url}/metrics`)).text()
        return metrics.includes(
          'blockmill_tasks{chain="dev",task="test-task",status="succeeded",service="monitor"} 400',
        )
      },
      { describe: 'the totals among the metrics' },
    )
  })

  it('records every task once when two monitors share the queue', async () => {
    const first = await startRig()
    const second = await startRig({ namespace: first.namespace, databaseUrl: first.databaseUrl })
    expect(second.url).not.toBe(first.url)
    const blocks = range(0, 500)
    const messages = blocks.flatMap((block) => [
      eventMessage([succeeded(block)]),
      taskMessage([block]),
      heartbeat([block]),
    ])
    await publish(first, ...messages, ...messages)
    await recorded(first, 500)
    expect(await countOf(first, 'blockmill.task')).toBe(500)
  })

  it('sends what it cannot read to the dead queue, keeps it there for people, and goes on', async () => {
    const rig = await startRig()
    await publish(
      rig,
      { type: 'blockmill.task.v1', body: Buffer.from('{"v":1') },
      { type: 'something.else', body: Buffer.from([0, 1, 2, 255]) },
      taskMessage([1], { attempt: 2 ** 40 }),
      taskMessage([2]),
      eventMessage([succeeded(2)]),
    )
    await recorded(rig, 1)
    await recorded(rig, 3, 'blockmill.dead_letter')
    const letters = await rig.database.query('select reason, type, queue, body from blockmill.dead_letter')
    const queue = `${rig.namespace}.monitor`
    expect(new Set(letters)).toEqual(
      new Set([
        { reason: 'invalid_message', type: 'blockmill.task.v1', queue, body: Buffer.from('{"v":1') },
        { reason: 'invalid_message', type: 'something.else', queue, body: Buffer.from([0, 1, 2, 255]) },
        {
          reason: 'not_recordable',
          type: 'blockmill.task.v1',
          queue,
          body: taskMessage([1], { attempt: 2 ** 40 }).body,
        },
      ]),
    )
    await ready(rig.url)
  })

  it('marks the tasks of a dead task message as dead, with the reason', async () => {
    const rig = await startRig()
    const { type, body } = taskMessage([7])
    await publish(rig, { type, body })
    await rig.broker.publisher.publish({
      exchange: rig.broker.topology.exchanges.dead,
      routingKey: 'task.default.normal',
      type,
      body,
      headers: { [DEAD_HEADERS.reason]: 'unknown_task', [DEAD_HEADERS.error]: 'No task is called test-task.' },
    })
    await recorded(rig, 1, `blockmill.task where status = 'dead'`)
    const task = await (await fetch(`${rig.url}/api/v1/tasks/${idOfBlock(7)}`)).json()
    expect(task).toMatchObject({ status: 'dead', reason: 'unknown_task', queue: 'default' })
    expect(await rig.database.query('select reason, error from blockmill.dead_letter')).toEqual([
      { reason: 'unknown_task', error: 'No task is called test-task.' },
    ])
  })
})

describe('a monitor whose database is killed under load', () => {
  it(
    'acks nothing that was not stored, says that it is not ready, and catches up without a loss',
    { timeout: 180_000 + 3 * DATABASE_DOWN_MS },
    async () => {
      const rig = await startRig()
      const send = async (from: number, to: number): Promise<void> => {
        for (let block = from; block < to; block += 50) {
          const blocks = range(block, block + 50)
          await publish(
            rig,
            ...blocks.map((each) => taskMessage([each])),
            eventMessage(blocks.map((each) => succeeded(each))),
          )
        }
      }
      await send(0, 500)
      const sending = send(500, 3_000)
      await recorded(rig, 500, `blockmill.task where status = 'succeeded' and block_number < 500`)
      const killed = await killPostgres()
      const backAt = performance.now() + DATABASE_DOWN_MS
      await waitFor(async () => !(await isReady(rig.url)), { describe: 'the monitor to notice' })
      await sending
      expect((await fetch(`${rig.url}/health/live`)).status).toBe(200)
      expect((await fetch(`${rig.url}/api/v1/tasks`)).status).toBe(503)

      let sent = 3_000
      for (; performance.now() < backAt; sent += 50) {
        await send(sent, sent + 50)
        await delay(PAUSE_MS)
      }
      if (sent > 3_000) await heldByBroker(rig, ((sent - 3_000) / 50) * 51)

      await killed.restart()
      await recorded(rig, sent, undefined, 60_000 + 2 * DATABASE_DOWN_MS)
      expect(await countOf(rig, 'blockmill.task')).toBe(sent)
      expect(await countOf(rig, 'blockmill.dead_letter')).toBe(0)
      await ready(rig.url)
      await rig.monitor.stop()
      // Only what was acked is gone from the queue; after everything was recorded, nothing comes back to it.
      await waitFor(async () => (await rig.broker.depth(rig.broker.topology.monitorQueue))?.messages === 0, {
        describe: 'the queue to be empty',
      })
    },
  )

  it('leaves to the next monitor what it had not stored when it was stopped', async () => {
    const rig = await startRig()
    await publish(rig, taskMessage([1]))
    await recorded(rig, 1, 'blockmill.task')
    await acked(rig.url)
    const killed = await killPostgres()
    await publish(
      rig,
      ...range(1, 200).map((block) => taskMessage([block])),
      eventMessage(range(1, 200).map((block) => succeeded(block))),
    )
    await waitFor(async () => !(await isReady(rig.url)), { describe: 'the monitor to notice' })
    await rig.monitor.stop()
    await waitFor(async () => (await rig.broker.depth(rig.broker.topology.monitorQueue))?.messages === 200, {
      describe: 'all messages to be back in the queue',
    })
    await killed.restart()
    const next = await startRig({ namespace: rig.namespace, databaseUrl: rig.databaseUrl })
    await recorded(next, 199)
  })
})

describe('starting a monitor', () => {
  it('serves health checks while it waits for the database, and records once that is there', async () => {
    const rig = await createRig()
    const killed = await killPostgres()
    let isStarted = false
    const starting = rig.monitor.start().then((url) => {
      isStarted = true
      return url
    })
    await waitFor(() => rig.broker.isReady(), { describe: 'the broker' })
    expect(isStarted).toBe(false)
    await killed.restart()
    const url = await starting
    await publish(rig, taskMessage([1]), eventMessage([succeeded(1)]))
    await recorded(rig, 1)
    await ready(url)
  })

  it('can be started and stopped in any order, any number of times', async () => {
    const never = await createRig()
    await Promise.all([never.monitor.stop(), never.monitor.stop()])

    const rig = await createRig()
    const [first, second] = await Promise.all([rig.monitor.start(), rig.monitor.start()])
    expect(first).toBe(second)
    await Promise.all([rig.monitor.stop(), rig.monitor.stop()])
    await expect(fetch(`${first}/health/live`)).rejects.toThrow()

    const early = await createRig({ databaseUrl: 'postgresql://me@127.0.0.1:1/none' })
    const starting = early.monitor.start()
    await Promise.all([early.monitor.stop(), expect(starting).rejects.toThrow()])
  })

  it('refuses to serve the world, because everybody could read everything', async () => {
    const { monitor } = await createRig({ config: { host: '0.0.0.0', port: 0 } })
    await expect(monitor.start()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/HOST .*0\.0\.0\.0.*127\.0\.0\.1/),
    })
  })

  it('serves the world when a token is set, and asks for it', async () => {
    const token = 'a-token-of-an-operator'
    const { url } = await startRig({ config: { host: '0.0.0.0', port: 0, operatorTokens: [token] } })
    expect(await fetch(url)).toMatchObject({ status: 401 })
    expect(await fetch(url, { headers: { authorization: `Bearer ${token}` } })).toMatchObject({ status: 200 })
  })

  it('ends with one clear error when the database does not exist', async () => {
    const url = new URL(postgres.url)
    url.pathname = '/nowhere'
    const { monitor } = await createRig({ databaseUrl: url.href })
    await expect(monitor.start()).rejects.toMatchObject({
      code: 'DATABASE_REFUSED',
      message: expect.stringContaining('"nowhere" does not exist'),
    })
  })
})

import {
  type Broker,
  createBroker,
  createClient,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  defineTask,
  migrate,
  openDatabase,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { createWorker } from '@blockmill/worker'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url: databaseUrl } = testDatabase()
const ID = '00000000-0001-8000-8000-000000000001'

beforeAll(async () => {
  const database = openDatabase({ url: databaseUrl, logger })
  await migrate(database, { logger })
  await database.close()
})

/** Whoever is there mostly answers within this time. Where an answer is wanted, poll, or give more. */
const WAIT = '400ms'
/** For an order that may be given only once: time for an answer on a busy machine as well. */
const LONG_WAIT = '4s'

const operate = (args: readonly string[], wait = WAIT) =>
  runHere([...args, '--wait', wait], { RABBITMQ_URL: brokerUrl, BLOCKMILL_NAMESPACE: namespace })

async function operateForJson(...args: readonly string[]): Promise<unknown> {
  const { stdout } = await operate([...args, '--json'])
  return JSON.parse(stdout)
}

async function connect(): Promise<Broker> {
  const broker = createBroker({
    url: brokerUrl,
    topology: createTopology({ namespace }),
    logger,
    connectionName: 'test',
  })
  onTestFinished(() => broker.stop())
  await broker.start()
  return broker
}

/** Runs until it is aborted. */
const hold = defineTask({
  name: 'hold',
  run: ({ signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
})

async function startWorker(name: string, queue: string) {
  const worker = createWorker({
    config: { name, queues: [queue], syncWaitMs: 0, graceMs: 100 },
    logger,
    metrics: createMetrics('test'),
    broker: await connect(),
    registry: createTaskRegistry([{ definition: hold, file: 'test' }]),
  })
  onTestFinished(() => worker.stop())
  await worker.start()
  return worker
}

async function startMonitor(): Promise<void> {
  const database = openDatabase({ url: databaseUrl, logger })
  onTestFinished(() => database.close())
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0 },
    logger,
    metrics: createMetrics('test'),
    broker: await connect(),
    database,
  })
  onTestFinished(() => monitor.stop())
  await monitor.start()
}

describe('with two workers and a monitor', () => {
  it('shows who is there and what they do', async () => {
    await startWorker('w1', 'alpha')
    await startWorker('w2', 'beta')
    await startMonitor()
    await expect
      .poll(() => operate(['inspect', 'ping']))
      .toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/worker {3}w1\nworker {3}w2\nmonitor {2}monitor-/),
      })
    await expect
      .poll(() => operateForJson('inspect', 'stats'))
      .toMatchObject([
        { worker: 'w1', queues: ['alpha'], pid: process.pid, running: [] },
        { worker: 'w2', queues: ['beta'] },
      ])
    const workers = () => operate(['workers'])
    await expect.poll(workers).toMatchObject({ stdout: expect.stringMatching(/^worker +host .*\n-.*\nw1 .*\nw2 /) })
    await expect.poll(() => operate(['inspect', 'active'])).toMatchObject({ stdout: 'Nothing runs.\n' })
  })

  it('cancels a running task', async () => {
    const worker = await startWorker('w1', 'alpha')
    await startMonitor()
    const client = createClient({ broker: await connect(), chain: 'dev' })
    const { id } = await client.enqueue(hold, {}, { queue: 'alpha', unique: false })
    const active = await waitFor(
      async () => {
        const tasks = (await operateForJson('inspect', 'active')) as object[]
        return tasks.length > 0 && tasks
      },
      { describe: 'the task to run', timeoutMs: 30_000 },
    )
    expect(active).toMatchObject([{ worker: 'w1', task: 'hold', taskId: id, attempt: 1 }])
    const { status, stdout, stderr } = await operate(['cancel', id], LONG_WAIT)
    expect([status, stdout, stderr]).toEqual([
      0,
      'Tasks called off: 1; of these were running: 1. Heard by 1 worker: w1.\n',
      '',
    ])
    await worker.drain()
  })

  it('pauses and resumes a queue, and shows which is paused', async () => {
    await startWorker('w1', 'alpha')
    await startMonitor()
    // Given again, an order changes nothing.
    await expect
      .poll(() => operateForJson('queues', 'pause', 'alpha', '--lane', 'low'))
      .toMatchObject({ workers: ['w1'], monitors: [expect.stringMatching(/^monitor-/)] })
    const lanes = { queue: 'alpha', messages: 0, consumers: 1, paused: false }
    await expect
      .poll(() => operateForJson('queues', 'list'))
      .toEqual([
        { ...lanes, lane: 'high' },
        { ...lanes, lane: 'normal' },
        { ...lanes, lane: 'low', consumers: 0, paused: true },
      ])
    await expect
      .poll(() => operate(['queues', 'resume', 'alpha']))
      .toMatchObject({ stdout: 'Resumed alpha. Heard by 1 worker: w1.\n', stderr: '' })
    await expect
      .poll(() => operateForJson('inspect', 'queues'))
      .toEqual(['high', 'normal', 'low'].map((lane) => ({ ...lanes, lane })))
  })
})

describe('without a monitor', () => {
  it('says that later workers will not know', async () => {
    await startWorker('w1', 'alpha')
    await expect
      .poll(() => operate(['queues', 'resume', 'alpha']))
      .toMatchObject({ status: 0, stderr: expect.stringContaining('No monitor answered') })
  })

  it('stops a worker by its name, and no other', async () => {
    const worker = await startWorker('w1', 'alpha')
    expect((await operate(['workers', 'shutdown', 'w2'])).status).toBe(1)
    expect(worker.notReadyBecause()).toEqual([])
    // The first answer ends the wait.
    const { status, stdout } = await operate(['workers', 'shutdown', 'w1'], '30s')
    expect([status, stdout]).toEqual([0, 'w1 stops.\n'])
    await worker.stop()
    expect((await operate(['inspect', 'ping'])).status).toBe(1)
  })
})

describe('with nobody there', () => {
  it.each([
    [['inspect', 'ping'], 'No worker answered.'],
    [['inspect', 'stats'], 'No worker answered.'],
    [['inspect', 'active'], 'No worker answered.'],
    [['cancel', ID], 'Heard by 0 workers'],
    [['queues', 'pause', 'alpha'], 'Heard by 0 workers'],
  ])('%j is a failure', async (args, text) => {
    const { status, stdout } = await operate(args)
    expect(stdout).toContain(text)
    expect(status).toBe(1)
  })

  it.each([
    ['what is no id', ['cancel', 'note-block'], 1, 'no task id'],
    ['what is no queue', ['queues', 'pause', 'a.b'], 1, 'a.b'],
    ['what is no lane', ['queues', 'pause', 'alpha', '--lane', 'fast'], 2, 'high, normal, low'],
    ['no task at all', ['cancel'], 1, 'Say which tasks are meant'],
  ])('%s is refused', async (_what, args, expected, text) => {
    const { status, stderr } = await operate(args)
    expect(stderr).toContain(text)
    expect(status).toBe(expected)
  })
})

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import {
  type Broker,
  type Client,
  createBroker,
  createClient,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  type Database,
  defineTask,
  type Metrics,
  migrate,
  openDatabase,
  uniqueTaskId,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { createWorker } from '@blockmill/worker'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: brokerUrl, namespace } = testBroker()
const { url: databaseUrl } = testDatabase({
  migrate: async (template) => {
    const database = openDatabase({ url: template, logger })
    try {
      await migrate(database, { logger })
    } finally {
      await database.close()
    }
  },
})

interface Run {
  readonly name: unknown
  readonly at: number
}
let runs: Run[] = []
let gates: Record<string, PromiseWithResolvers<void>> = {}

const note = defineTask<{ name: string }>({
  name: 'note',
  run: ({ args }) => void runs.push({ name: args.name, at: Date.now() }),
})
/** Runs until its gate opens. */
const hold = defineTask<{ name: string }>({
  name: 'hold',
  async run({ args }) {
    runs.push({ name: args.name, at: Date.now() })
    await (gates[args.name] ??= Promise.withResolvers()).promise
  },
})
const family = defineTask<{ depth: number }>({
  name: 'family',
  async run({ args, enqueue }) {
    if (args.depth > 0) await enqueue(family, { depth: args.depth - 1 })
  },
})
const cautious = defineTask({
  name: 'cautious',
  run: ({ enqueue }) => enqueue(note, { name: 'once' }, { unique: true }),
})
const registry = createTaskRegistry([note, hold, family, cautious].map((definition) => ({ definition, file: 'test' })))

const stops: (() => Promise<unknown>)[] = []
let database: Database
let client: Client
let broker: Broker

async function connect(): Promise<Broker> {
  const one = createBroker({ url: brokerUrl, topology: createTopology({ namespace }), logger, connectionName: 'test' })
  await one.start()
  stops.unshift(() => one.stop())
  return one
}

async function otherClient(): Promise<Client> {
  const own = openDatabase({ url: databaseUrl, logger, poolMax: 2 })
  stops.push(() => own.close())
  return createClient({ broker: await connect(), database: own, chain: 'dev' })
}

async function startWorker(
  queue: string,
  { concurrency = 10, ...options }: { concurrency?: number; database?: Database } = {},
): Promise<Metrics> {
  const config = { name: `worker-of-${queue}`, queues: [queue], concurrency, prefetch: 20, smallestDelayMs: 50 }
  const metrics = createMetrics('test')
  const worker = createWorker({
    config,
    logger,
    metrics,
    broker: await connect(),
    registry,
    ...options,
  })
  stops.unshift(() => worker.stop())
  await worker.start()
  return metrics
}

beforeAll(async () => {
  database = openDatabase({ url: databaseUrl, logger })
  stops.push(() => database.close())
  broker = await connect()
  client = createClient({ broker, database, registry, chain: 'dev' })
  const monitor = createMonitor({
    config: { host: '127.0.0.1', port: 0 },
    logger,
    metrics: createMetrics('test'),
    broker: await connect(),
    database,
  })
  stops.unshift(() => monitor.stop())
  await monitor.start()
  await startWorker('default')
})
afterAll(async () => {
  for (const gate of Object.values(gates)) gate.resolve()
  for (const stop of stops) await stop()
})
beforeEach(() => {
  runs = []
  gates = {}
})

async function recorded(id: string): Promise<Record<string, unknown> | undefined> {
  const [row] = await database.query('select * from blockmill.task where id = $1', [id])
  return row
}

function recordedAs(id: string, status: string): Promise<Record<string, unknown>> {
  return waitFor(
    async () => {
      const row = await recorded(id)
      if (row?.['status'] !== status) throw new Error(`it is ${String(row?.['status'])}`)
      // What came of a task may be recorded before how it was scheduled.
      return row['scheduled_at'] !== null && row
    },
    { describe: `task ${id} to be recorded as ${status}` },
  )
}

function claims(id: string): Promise<object[]> {
  return database.query('select generation from blockmill.unique_task where task_id = $1', [id])
}

describe('a task that is enqueued', () => {
  it('is recorded as scheduled by hand, and runs', async () => {
    const { id } = await client.enqueue(note, { name: 'plain' }, { priority: 0, unique: false, maxAttempts: 5 })
    expect(await recordedAs(id, 'succeeded')).toMatchObject({
      name: 'note',
      chain: 'dev',
      queue: 'default',
      lane: 'high',
      priority: 0,
      cause: 'manual',
      max_attempts: 5,
      args: { name: 'plain' },
      block_number: null,
    })
    expect(runs).toHaveLength(1)
  })

  it('waits for a queue that nobody serves yet', async () => {
    const { id } = await client.enqueue(note, { name: 'early' }, { queue: 'unserved', unique: false })
    expect(await recordedAs(id, 'scheduled')).toMatchObject({ queue: 'unserved' })
    expect(runs).toEqual([])
    await startWorker('unserved')
    await recordedAs(id, 'succeeded')
  })

  it('goes first with priority 0, wherever it stands', async () => {
    const metrics = await startWorker('crowded', { concurrency: 1 })
    const enqueue = (name: string, priority?: number) =>
      client.enqueue(note, { name }, { queue: 'crowded', unique: false, priority })
    await client.enqueue(hold, { name: 'first' }, { queue: 'crowded', unique: false })
    await waitFor(() => runs.length === 1, { describe: 'the worker to be busy' })
    await enqueue('normal')
    await enqueue('low', 11)
    await enqueue('high', 5)
    await enqueue('highest', 0)
    await expect.poll(() => metrics.metrics()).toMatch(/^blockmill_worker_buffered_messages\{.*\} 4$/m)
    gates['first']?.resolve()
    await waitFor(() => runs.length === 5, { describe: 'all to run' })
    expect(runs.map(({ name }) => name)).toEqual(['first', 'highest', 'high', 'normal', 'low'])
  })

  it('does not start before its time, and starts within a second of it', async () => {
    const delays = [300, 1_200, 2_500]
    const begun = Date.now()
    const startOf = (name: string) =>
      waitFor(() => runs.find((run) => run.name === name), { describe: `${name} to run`, intervalMs: 5 })
    await Promise.all(
      delays.map((ms) =>
        client.enqueue(note, { name: `after ${ms}` }, { unique: false, executeAfter: new Date(begun + ms) }),
      ),
    )
    for (const ms of delays) {
      await waitFor(() => Date.now() >= begun + ms, { describe: 'its time to come', intervalMs: 5 })
      // What is enqueued at that time shows how long a task takes to start on this machine as it is now.
      await client.enqueue(note, { name: `at ${ms}` }, { unique: false })
      const [delayed, direct] = await Promise.all([startOf(`after ${ms}`), startOf(`at ${ms}`)])
      expect(delayed.at - begun).toBeGreaterThanOrEqual(ms)
      expect(delayed.at - direct.at).toBeLessThan(1_000)
    }
  })

  it('is on record while it waits for its time', async () => {
    const { id } = await client.enqueue(note, { name: 'far' }, { unique: false, executeAfter: '300d' })
    expect(await recordedAs(id, 'scheduled')).toMatchObject({ cause: 'manual', attempt: 1 })
  })

  it('fails as expired when it was not started in time', async () => {
    await startWorker('busy', { concurrency: 1 })
    await client.enqueue(hold, { name: 'first' }, { queue: 'busy', unique: false })
    await waitFor(() => runs.length === 1, { describe: 'the worker to be busy' })
    const expires = new Date(Date.now() + 300)
    const { id } = await client.enqueue(note, { name: 'late' }, { queue: 'busy', unique: false, expires })
    await waitFor(() => Date.now() > expires.getTime(), { describe: 'it to expire' })
    gates['first']?.resolve()
    expect(await recordedAs(id, 'failed')).toMatchObject({ reason: 'expired', error: { code: 'TASK_EXPIRED' } })
    expect(runs.map(({ name }) => name)).toEqual(['first'])
  })

  it('for a block runs again although it has run, and the record shows both runs', async () => {
    const { id } = await client.enqueue(note, { name: 'block' }, { block: 7 })
    const first = await recordedAs(id, 'succeeded')
    expect(await client.enqueue(note, { name: 'block' }, { block: 7 })).toEqual({ id, isNew: true })
    await waitFor(async () => (await recorded(id))?.['generation'] !== first['generation'], {
      describe: 'the second run',
    })
    expect(await recordedAs(id, 'succeeded')).toMatchObject({ block_number: 7 })
    expect(runs).toHaveLength(2)
  })

  it('from inside of handlers carries parent and root', async () => {
    const { id: root } = await client.enqueue(family, { depth: 2 }, { unique: false })
    const descendants = () =>
      database.query<{ id: string; parent_id: string; args: { depth: number } }>(
        `select id, parent_id, args from blockmill.task where root_id = $1 and status = 'succeeded' order by id`,
        [root],
      )
    await waitFor(async () => (await descendants()).length === 2, { describe: 'child and grandchild' })
    const [child, grandchild] = (await descendants()).sort((a, b) => b.args.depth - a.args.depth)
    expect(child).toMatchObject({ parent_id: root, args: { depth: 1 } })
    expect(grandchild).toMatchObject({ parent_id: child?.id, args: { depth: 0 } })
  })
})

describe('a unique task', () => {
  it('is one task however many clients enqueue it at once, and can run again when it has finished', async () => {
    const clients = [client, await otherClient(), await otherClient(), await otherClient()]
    const enqueueAll = () =>
      Promise.all(
        Array.from({ length: 20 }, (_, index) => (clients[index % 4] as Client).enqueue(hold, { name: 'unique' })),
      )
    const id = uniqueTaskId({ chain: 'dev', task: 'hold', args: { name: 'unique' } })
    const first = await enqueueAll()
    expect(new Set(first.map((one) => one.id))).toEqual(new Set([id]))
    expect(first.filter(({ isNew }) => isNew)).toHaveLength(1)
    expect(await claims(id)).toHaveLength(1)
    const { generation } = await recordedAs(id, 'running')

    gates['unique']?.resolve()
    await recordedAs(id, 'succeeded')
    expect(await claims(id)).toEqual([])
    expect(runs).toHaveLength(1)

    gates = {}
    expect(await client.enqueue(hold, { name: 'unique' })).toEqual({ id, isNew: true })
    await waitFor(() => runs.length === 2, { describe: 'the second run' })
    gates['unique']?.resolve()
    const second = await waitFor(
      async () => {
        const row = await recorded(id)
        return row?.['status'] === 'succeeded' && row['generation'] !== generation && row
      },
      { describe: 'the second run to be recorded' },
    )
    expect(second['generation']).toBeGreaterThan(generation as number)
    expect(await claims(id)).toEqual([])
    const history = await database.query('select generation, outcome from blockmill.task_attempt where task_id = $1', [
      id,
    ])
    expect(history).toEqual([{ generation, outcome: 'succeeded' }])
  })

  it('with other arguments is another task', async () => {
    const one = await client.enqueue(note, { name: 'one' })
    const two = await client.enqueue(note, { name: 'two' })
    expect([one.isNew, two.isNew]).toEqual([true, true])
    await Promise.all([one, two].map(({ id }) => recordedAs(id, 'succeeded')))
  })

  it('can be enqueued again when it has failed', async () => {
    const expires = new Date(Date.now() + 200)
    const { id } = await client.enqueue(note, { name: 'fails' }, { queue: 'later', expires })
    expect(await client.enqueue(note, { name: 'fails' })).toEqual({ id, isNew: false })
    await waitFor(() => Date.now() > expires.getTime(), { describe: 'it to expire' })
    await startWorker('later')
    await recordedAs(id, 'failed')
    expect(await client.enqueue(note, { name: 'fails' })).toEqual({ id, isNew: true })
    await recordedAs(id, 'succeeded')
  })

  it('can be enqueued by a handler whose worker has a database, and by no other', async () => {
    await startWorker('with-database', { database })
    const enqueue = (queue?: string) => client.enqueue(cautious, {}, { queue, unique: false })
    const { id } = await enqueue('with-database')
    const once = { id: uniqueTaskId({ chain: 'dev', task: 'note', args: { name: 'once' } }), isNew: true }
    expect(await recordedAs(id, 'succeeded')).toMatchObject({ result: once })
    expect(await recordedAs(once.id, 'succeeded')).toMatchObject({ parent_id: id, root_id: id })
    const { id: other } = await enqueue()
    expect(await recordedAs(other, 'retrying')).toMatchObject({ error: { code: 'CONFIG_INVALID' } })
  })

  it('heals when its publisher died before it had published it', async () => {
    const dying = createClient({
      broker: {
        topology: broker.topology,
        publisher: broker.publisher,
        declare: () => new Promise<never>(() => undefined),
      },
      database,
      chain: 'dev',
    })
    void dying.enqueue(note, { name: 'heals' })
    const id = uniqueTaskId({ chain: 'dev', task: 'note', args: { name: 'heals' } })
    await waitFor(async () => (await claims(id)).length === 1, { describe: 'the claim' })
    await database.query(
      `update blockmill.unique_task set claimed_at = claimed_at - interval '31 seconds' where task_id = $1`,
      [id],
    )
    const [claim] = await claims(id)
    expect(await client.enqueue(note, { name: 'heals' })).toEqual({ id, isNew: false })
    expect(await recordedAs(id, 'succeeded')).toMatchObject(claim ?? {})
    expect(await claims(id)).toEqual([])
  })
})

describe('blockmill enqueue', () => {
  async function tasksFolder(): Promise<string> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'tasks-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await mkdir(path.join(folder, 'tasks'))
    const core = import.meta.resolve('@blockmill/core')
    const text = `import { defineTask } from '${core}'\nexport const note = defineTask({ name: 'note', run: () => {} })`
    await writeFile(path.join(folder, 'tasks', 'note.ts'), text)
    return folder
  }
  const environment = {
    RABBITMQ_URL: brokerUrl,
    DATABASE_URL: databaseUrl,
    BLOCKMILL_NAMESPACE: namespace,
    BLOCKMILL_CHAIN: 'dev',
  }

  it('prints the id of a task that then runs, and says when it is live already', async () => {
    const tasks = await tasksFolder()
    const command = (...more: string[]) =>
      runHere(['enqueue', 'note', '--args', '{"name":"cli"}', '--tasks', tasks, '--json', ...more], environment)
    const waiting = await command('--priority', '0', '--execute-after', '1h')
    expect(waiting).toMatchObject({ status: 0, stderr: '' })
    const { id } = JSON.parse(waiting.stdout) as { id: string }
    expect(await recordedAs(id, 'scheduled')).toMatchObject({ priority: 0, lane: 'high', args: { name: 'cli' } })
    const again = await command()
    expect(JSON.parse(again.stdout)).toEqual({ id, isNew: false })
    expect(again.stderr).toContain('live already')

    const other = await runHere(['enqueue', 'note', '--args', '{"name":"cli"}', '--tasks', tasks, '--no-unique'], {
      ...environment,
      DATABASE_URL: '',
    })
    expect(other.stderr).toBe('')
    expect(await recordedAs(other.stdout.trim(), 'succeeded')).toMatchObject({ args: { name: 'cli' } })
    expect(runs).toMatchObject([{ name: 'cli' }])
  })

  it('ends with status 1 and a clear text for a task that does not exist, or that cannot be enqueued so', async () => {
    const tasks = await tasksFolder()
    const [unknown, early] = await Promise.all([
      runHere(['enqueue', 'nte', '--no-unique', '--tasks', tasks], environment),
      runHere(
        ['enqueue', 'note', '--no-unique', '--tasks', tasks, '--execute-after', 'soon', '--queue', 'a.b'],
        environment,
      ),
    ])
    expect(unknown).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining("Did you mean 'note'?") })
    expect(early).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/queue is "a\.b".*\n.*executeAfter is "soon"/),
    })
  })
})

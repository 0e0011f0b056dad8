import { randomBytes } from 'node:crypto'

import {
  type Broker,
  createBroker,
  createClient,
  createControl,
  createCoordinator,
  createMetrics,
  createSilentLogger,
  createTaskRegistry,
  createTopology,
  type Database,
  defineRangeTask,
  defineTask,
  migrate,
  openDatabase,
  parseBrokerUrl,
} from '@blockmill/core'
import { createMonitor } from '@blockmill/monitor'
import { createScheduler } from '@blockmill/scheduler'
import { callManagement, createScriptedChain, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { createWorker } from '@blockmill/worker'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { brokerPermissions } from '../src/permissions/broker-permissions.ts'
import { DATABASE_TABLES } from '../src/permissions/database-privileges.ts'
import type { ServiceRole as Role } from '../src/permissions/service-role.ts'
import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url: ownerUrl } = testDatabase()
const { url: ownerBrokerUrl, managementUrl = '', namespace } = testBroker()
// Users and roles belong to the whole server, under names with the namespace.
const withManagement = describe.skipIf(managementUrl === '')
const topology = createTopology({ namespace })
const vhost = encodeURIComponent(parseBrokerUrl(ownerBrokerUrl).virtualHost)

const owner = openDatabase({ url: ownerUrl, logger })
const environment = {
  RABBITMQ_URL: ownerBrokerUrl,
  RABBITMQ_MANAGEMENT_URL: managementUrl,
  DATABASE_URL: ownerUrl,
  BLOCKMILL_NAMESPACE: namespace,
  WORKER_PASSWORD: 'chosen-for-the-worker',
}
const brokerUrls = new Map<string, string>()
const databaseUrls = new Map<string, string>()
const connections = new Map<Role, Promise<ChannelModel>>()
const databases = new Map<Role, Database>()

beforeAll(async () => {
  if (managementUrl === '') return
  await migrate(owner, { logger })
  const { status, stdout, stderr } = await runHere(['setup-permissions'], environment)
  expect([status, stderr]).toEqual([0, ''])
  for (const [, role = '', key, url = ''] of stdout.matchAll(/^# (\w+)\n(RABBITMQ_URL|DATABASE_URL)=(.+)$/gm)) {
    ;(key === 'RABBITMQ_URL' ? brokerUrls : databaseUrls).set(role, url)
  }
})

afterAll(async () => {
  for (const connection of connections.values()) await (await connection).close()
  for (const database of databases.values()) await database.close()
  for (const role of databaseUrls.keys()) {
    await owner.query(`drop owned by "${namespace}_${role}"`)
    await owner.query(`drop role "${namespace}_${role}"`)
  }
  await owner.close()
  for (const role of brokerUrls.keys()) await callManagement(managementUrl, 'DELETE', `/users/${namespace}_${role}`)
})

/** The broker as this role sees it, with a client of Blockmill. */
const brokerAs = (role: Role): Promise<Broker> => brokerAt(brokerUrls.get(role) ?? '', role)

async function brokerAt(url: string, connectionName: string): Promise<Broker> {
  const broker = createBroker({ url, topology, logger, connectionName, reconnect: { minMs: 20, maxMs: 100 } })
  onTestFinished(() => broker.stop())
  await broker.start()
  return broker
}

function databaseAs(role: Role): Database {
  const database = databases.get(role) ?? openDatabase({ url: databaseUrls.get(role) ?? '', logger })
  databases.set(role, database)
  return database
}

/** Runs a command with the operator's accounts. */
function operate(command: string) {
  return runHere(command.split(' '), {
    RABBITMQ_URL: brokerUrls.get('operator') ?? '',
    DATABASE_URL: databaseUrls.get('operator') ?? '',
    BLOCKMILL_NAMESPACE: namespace,
  })
}

/** What RabbitMQ answers when this role tries something on a bare channel. */
async function tryAs(role: Role, attempt: (channel: Channel) => Promise<unknown>): Promise<string> {
  const connection = connections.get(role) ?? connect(brokerUrls.get(role) ?? '')
  connections.set(role, connection)
  const channel = await (await connection).createConfirmChannel()
  const refused = new Promise<string>((resolve) => channel.on('error', (error: Error) => resolve(error.message)))
  const done = attempt(channel)
    .then(() => channel.waitForConfirms())
    .then(() => 'done')
    .catch(() => refused)
  return Promise.race([refused, done])
}

const body = Buffer.from('{}')

withManagement('blockmill setup-permissions', () => {
  it('prints what each service is to be configured with, and keeps to passwords that were given', () => {
    expect([...brokerUrls.keys()].toSorted()).toEqual(['monitor', 'operator', 'producer', 'scheduler', 'worker'])
    expect([...databaseUrls.keys()].toSorted()).toEqual(['monitor', 'operator', 'scheduler'])
    expect(new URL(brokerUrls.get('worker') ?? '').password).toBe('chosen-for-the-worker')
    const passwords = [...brokerUrls.values()].map((url) => new URL(url).password)
    expect(new Set(passwords).size).toBe(5)
  })

  it('may be run again: nobody loses a password, and permissions that were added are taken away', async () => {
    await owner.query(`grant all on blockmill.scheduler_lease to "${namespace}_monitor"`)
    const everything = { configure: '.*', write: '.*', read: '.*' }
    await callManagement(managementUrl, 'PUT', `/permissions/${vhost}/${namespace}_worker`, everything)
    const again = await runHere(['setup-permissions'], environment)
    expect([again.status, again.stderr]).toEqual([0, ''])
    expect(again.stdout).toContain(
      `# scheduler: RABBITMQ_URL as before, user ${namespace}_scheduler keeps its password`,
    )
    expect(again.stdout.match(/=amqp:/g)).toHaveLength(1)
    await databaseAs('monitor').query('select 1')
    await expect(databaseAs('monitor').query('delete from blockmill.scheduler_lease')).rejects.toThrow('denied')
    expect(await tryAs('worker', (channel) => channel.get(topology.monitorQueue))).toContain('ACCESS_REFUSED')
  })

  it('leaves no binding out in silence that an account of an older version may not make', async () => {
    const path = `/permissions/${vhost}/${namespace}_scheduler`
    const { write, read, configure } = brokerPermissions(topology).scheduler
    const older = { configure, write, read: read.replace(String.raw`|${namespace}\.work|`, '|') }
    expect(older.read).not.toBe(read)
    await callManagement(managementUrl, 'PUT', path, older)
    try {
      const broker = await brokerAs('scheduler')
      await expect(broker.declare(topology.work('upgraded'))).rejects.toMatchObject({
        code: 'BROKER_REFUSED',
        message: expect.stringContaining(
          `may not declare the binding of queue "${namespace}.work.upgraded.high" to exchange "${namespace}.work"`,
        ) as string,
      })
    } finally {
      await callManagement(managementUrl, 'PUT', path, { configure, write, read })
    }
  })

  it('only shows what it would do with --dry-run', async () => {
    const other = `u${randomBytes(4).toString('hex')}`
    const { status, stdout } = await runHere(['setup-permissions', '--dry-run'], {
      ...environment,
      BLOCKMILL_NAMESPACE: other,
    })
    expect(status).toBe(0)
    expect(stdout).toContain(`broker user ${other}_worker\n  configure ^(`)
    expect(stdout).toContain(`create role "${other}_scheduler" login;`)
    expect(stdout).not.toContain('chosen-for-the-worker')
    expect(await callManagement(managementUrl, 'GET', `/users/${other}_worker`)).toBeUndefined()
    expect(await owner.query('select from pg_roles where starts_with(rolname, $1)', [other])).toEqual([])
  })

  it('tells what is wrong with the management API, and with a database user who may not create roles', async () => {
    const unreachable = { ...environment, RABBITMQ_MANAGEMENT_URL: 'http://guest:secret-word@127.0.0.1:9' }
    const notOwner = { ...environment, DATABASE_URL: databaseUrls.get('monitor') ?? '', BLOCKMILL_NAMESPACE: 'other' }
    const broker = await runHere(['setup-permissions', '--no-database'], unreachable)
    const database = await runHere(['setup-permissions', '--no-broker'], notOwner)
    const neither = await runHere(['setup-permissions'], { RABBITMQ_URL: ownerBrokerUrl, DATABASE_URL: '' })
    expect(broker.status).toBe(1)
    expect(broker.stderr).toContain('management API at http://…@127.0.0.1:9')
    expect(broker.stderr).not.toContain('secret-word')
    expect(database.status).toBe(1)
    expect(database.stderr).toContain('CREATEROLE')
    expect(neither.status).toBe(1)
    expect(neither.stderr).toContain('DATABASE_URL')
  })

  it('knows every table of the schema', async () => {
    const tables = await owner.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'blockmill' order by 1`,
    )
    expect(DATABASE_TABLES.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(tables.map(({ name }) => name))
  })
})

withManagement('with a user and a role of its own each', () => {
  it('the services do their work from end to end', async () => {
    const tried = new Set<number>()
    const flaky = defineTask({
      name: 'flaky',
      retry: { maxAttempts: 3, backoff: { type: 'constant', pause: '50ms' } },
      async run({ block, enqueue }) {
        if (!tried.has(block.number)) {
          tried.add(block.number)
          throw new Error('at first it fails')
        }
        await enqueue(follower, { of: block.number })
        return null
      },
    })
    const follower = defineTask({ name: 'follower', args: [] as { of: number }[], run: () => null })
    const collect = defineRangeTask({
      name: 'collect',
      batchSize: 5,
      async run({ range, emit }) {
        for (let block = range.from; block <= range.to; block += 1) await emit([{ block }])
      },
    })
    const definitions = [flaky, follower, collect]
    const registry = createTaskRegistry(definitions.map((definition) => ({ definition, file: 'test.ts' })))
    const chain = createScriptedChain({ head: 10 })
    const monitor = createMonitor({
      config: { host: '127.0.0.1', port: 0 },
      logger,
      metrics: createMetrics('monitor'),
      broker: await brokerAs('monitor'),
      database: databaseAs('monitor'),
    })
    onTestFinished(() => monitor.stop())
    await monitor.start()
    const worker = createWorker({
      config: { smallestDelayMs: 50 },
      logger,
      metrics: createMetrics('worker'),
      broker: await brokerAs('worker'),
      registry,
    })
    onTestFinished(() => worker.stop())
    await worker.start()
    const scheduler = createScheduler({
      config: { chain: 'dev', pollIntervalMs: 50 },
      logger,
      metrics: createMetrics('scheduler'),
      broker: await brokerAs('scheduler'),
      database: databaseAs('scheduler'),
      chain,
      registry,
    })
    onTestFinished(() => scheduler.stop())
    await scheduler.start()
    chain.advance(4)

    const statuses = () =>
      owner.query<{ name: string; status: string; count: number }>(
        'select name, status, count(*) as count from blockmill.task group by 1, 2 order by 1, 2',
      )
    await waitFor(async () => (await statuses()).reduce((sum, { count }) => sum + count, 0) === 10, {
      describe: 'every task to be recorded',
      timeoutMs: 60_000,
    })
    await waitFor(async () => (await statuses()).every(({ status }) => status === 'succeeded'), {
      describe: 'every task to succeed',
      timeoutMs: 60_000,
    })
    const control = createControl({ broker: await brokerAs('operator'), logger, waitMs: 500 })
    onTestFinished(() => control.close())
    const answering = async () => (await control.ping()).map(({ type }) => type).toSorted()
    await expect.poll(answering).toEqual(['monitor', 'worker'])

    const coordinator = createCoordinator({ database: databaseAs('operator'), chain: 'dev', pollMs: 50 })
    const job = await coordinator.run(collect, { from: 1, to: 12 })
    expect(await job.wait({ signal: AbortSignal.timeout(60_000) })).toMatchObject({ state: 'completed' })
    const rows = []
    for await (const row of job.results()) rows.push(row)
    expect(rows).toEqual(Array.from({ length: 12 }, (_, index) => ({ block: index + 1 })))
    const called = await coordinator.run(collect, { from: 1, to: 100_000 })
    expect(await operate(`jobs cancel ${called.id}`)).toMatchObject({ status: 0, stderr: '' })
    for (const { id } of [job, called]) {
      await waitFor(async () => (await operate(`jobs delete ${id}`)).status === 0, {
        describe: `job ${id} to be deleted`,
      })
    }
    expect(await owner.query('select from blockmill.range_job')).toEqual([])
  })

  it('an operator uses the command, and a producer the library', async () => {
    await owner.query(
      `insert into blockmill.task (id, chain, name, queue, lane, status, attempt, postpones, finished_at, changed_at)
       values (gen_random_uuid(), 'dev', 'old', 'default', 'low', 'succeeded', 1, 0, now() - interval '2 days', now())`,
    )
    const commands = [
      'cleanup --days 1',
      'dead purge --all',
      'dead list',
      'queues list',
      'failures',
      'gaps --chain dev',
    ]
    for (const command of [...commands, 'backfill status', 'jobs list']) {
      expect({ command, ...(await operate(command)) }).toMatchObject({ command, status: 0, stderr: '' })
    }
    expect(await owner.query("select from blockmill.task where name = 'old'")).toEqual([])
    const task = defineTask({ name: 'follower', run: () => null })
    for (const role of ['operator', 'producer'] as const) {
      const client = createClient({ broker: await brokerAs(role), chain: 'dev' })
      await client.enqueue(task, {}, { unique: false })
    }
    await expect(
      createClient({ broker: await brokerAs('producer'), chain: 'dev' }).enqueue(
        task,
        {},
        { queue: 'unheard-of', unique: false },
      ),
    ).rejects.toThrow(`may not declare the queue "${namespace}.work.unheard-of`)
  })

  it('an operator calls off what waits in a queue, and is on record for it', async () => {
    // One of its own: others may still hold what earlier tests have called off.
    await (await brokerAt(ownerBrokerUrl, 'owner')).declare(topology.work('called-off'))
    // What a monitor would have read by now.
    await (await brokerAs('monitor')).purge(topology.monitorQueue)
    const [called, other] = ['00000000-0001-8000-8000-000000000001', '00000000-0001-8000-8000-000000000002']
    await owner.query(
      `insert into blockmill.task (id, chain, name, queue, lane, status, attempt, postpones, scheduled_at, changed_at)
       select id, 'dev', 'follower', queue, 'low', 'scheduled', 1, 0, now() - interval '1 hour', now()
       from unnest($1::uuid[], $2::text[]) as one (id, queue)`,
      [
        [called, other],
        ['called-off', 'elsewhere'],
      ],
    )
    const { status, stdout, stderr } = await operate('queues purge called-off --cancel --json')
    expect([status, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ cancelled: 1 })
    const end = (id: string | undefined) =>
      databaseAs('operator').query("select blockmill.end_cancelled(array[$1::uuid], now(), '')", [id])
    // Nobody called it off.
    await end(other)
    expect(
      await owner.query('select status from blockmill.task where id = any($1) order by id', [[called, other]]),
    ).toEqual([{ status: 'cancelled' }, { status: 'scheduled' }])
    expect(await owner.query('select outcome from blockmill.task_attempt where task_id = $1', [called])).toEqual([
      { outcome: 'cancelled' },
    ])
    expect(
      await owner.query("select actor, route, status from blockmill.audit where route = 'queues purge' order by id"),
    ).toEqual([{ actor: 'command line', route: 'queues purge', status: 0 }])
  })
})

withManagement('beyond their work, the broker refuses', () => {
  const work = topology.workQueue('default', 'normal')
  it.each<[Role, string, (channel: Channel) => Promise<unknown>]>([
    ['worker', "to read the monitor's queue", (channel) => channel.get(topology.monitorQueue)],
    ['worker', 'to read the dead queue', (channel) => channel.get(topology.deadQueue)],
    ['worker', "to delete the monitor's queue", (channel) => channel.deleteQueue(topology.monitorQueue)],
    ['worker', 'to declare an exchange', (channel) => channel.assertExchange(`${namespace}.new`, 'fanout')],
    ['scheduler', "to read the monitor's queue", (channel) => channel.get(topology.monitorQueue)],
    ['scheduler', 'to purge the dead queue', (channel) => channel.purgeQueue(topology.deadQueue)],
    ['scheduler', 'to read a delay queue', (channel) => channel.get(topology.delayQueue(50))],
    ['monitor', 'to delay messages', async (channel) => channel.publish(topology.exchanges.delay, 'd1.a.low', body)],
    ['monitor', 'to report events', async (channel) => channel.publish(topology.exchanges.events, 'event.x', body)],
    ['operator', 'to report events', async (channel) => channel.publish(topology.exchanges.events, 'event.x', body)],
    ['operator', "to read the monitor's queue", (channel) => channel.get(topology.monitorQueue)],
    ['producer', 'to read work', (channel) => channel.get(work)],
    ['producer', 'to give orders', async (channel) => channel.publish(topology.exchanges.control, 'shutdown', body)],
    ['producer', 'to publish past the exchanges', async (channel) => channel.sendToQueue(work, body)],
  ])('the %s %s', async (role, _, attempt) => {
    expect(await tryAs(role, attempt)).toContain('ACCESS_REFUSED')
  })

  it('the names of another installation, also of one whose name begins alike', async () => {
    const other = createTopology({ namespace: `${namespace}-2` })
    for (const role of ['scheduler', 'worker', 'monitor', 'operator'] as const) {
      expect(await tryAs(role, (channel) => channel.assertQueue(other.workQueue('a', 'low')))).toContain(
        'ACCESS_REFUSED',
      )
    }
  })
})

withManagement('beyond their work, the database refuses', () => {
  it.each<[Role, string, string]>([
    ['scheduler', 'to delete tasks', 'delete from blockmill.task'],
    ['scheduler', 'to change the record', `update blockmill.task set status = 'succeeded'`],
    ['scheduler', 'to read the audit log', 'select from blockmill.audit'],
    ['scheduler', 'to create tables', 'create table blockmill.mine (id int)'],
    ['monitor', 'to take the lease', `update blockmill.scheduler_lease set token = token + 1`],
    ['monitor', 'to claim coverage', `update blockmill.coverage set evaluated = '{[0,1000000)}'`],
    ['monitor', 'to drop tables', 'drop table blockmill.task'],
    ['operator', 'to write the record', `update blockmill.task set status = 'succeeded'`],
    ['operator', 'to rewrite the audit log', `update blockmill.audit set actor = 'somebody'`],
    ['operator', 'to delete the audit log', 'delete from blockmill.audit'],
    ['scheduler', 'to end tasks', `select blockmill.end_cancelled('{}', now(), '')`],
  ])('the %s %s', async (role, _, sql) => {
    await expect(databaseAs(role).query(sql)).rejects.toThrow(/permission denied|must be owner/)
  })
})

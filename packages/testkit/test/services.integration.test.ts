import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import {
  callManagement,
  type NativeBroker,
  type NativePostgres,
  startBroker,
  startNativeBroker,
  startNativePostgres,
  startPostgres,
  waitFor,
} from '@blockmill/testkit'
import { sharedServices } from '@blockmill/testkit/vitest'
import { connect } from 'amqplib'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { removeLeftovers } from '../src/services/leftovers.ts'
import { childProcesses, machineIdentity, ownIdentity, processStartTime } from '../src/services/process-identity.ts'

function makeStateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'blockmill-test-'))
  chmodSync(folder, 0o711)
  return folder
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function publish(url: string, queue: string, text: string): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  channel.sendToQueue(queue, Buffer.from(text), { persistent: true })
  await channel.waitForConfirms()
  await connection.close()
}

/** Takes one message. Not by `basic.get`, which RabbitMQ 3.10 never answers while a quorum queue elects its leader. */
async function consume(url: string, queue: string): Promise<string> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const arrived = Promise.withResolvers<string>()
  await channel.consume(queue, (message) => {
    if (message === null) return
    channel.ack(message)
    arrived.resolve(message.content.toString())
  })
  const text = await arrived.promise
  await channel.close()
  await connection.close()
  return text
}

const runs = (pid: number) => processStartTime(pid) !== undefined

describe('private services', () => {
  const stateFolder = makeStateFolder()
  let brokers: NativeBroker[] = []
  let databases: NativePostgres[] = []

  beforeAll(async () => {
    const brokerStarts = [startNativeBroker({ stateFolder }), startNativeBroker({ stateFolder, management: true })]
    const databaseStarts = [startNativePostgres({ stateFolder }), startNativePostgres({ stateFolder, durable: false })]
    brokers = await Promise.all(brokerStarts)
    databases = await Promise.all(databaseStarts)
  })
  afterAll(async () => {
    await Promise.all([...brokers, ...databases].map((service) => service.stop()))
    rmSync(stateFolder, { recursive: true, force: true })
  })

  test('run side by side without seeing each other', async () => {
    const [first, second] = brokers
    await publish(first?.url ?? '', 'both', 'to the first')
    await publish(second?.url ?? '', 'both', 'to the second')
    expect(await consume(first?.url ?? '', 'both')).toBe('to the first')
    expect(await consume(second?.url ?? '', 'both')).toBe('to the second')

    for (const { url } of databases) await query(url, 'create table only_once ()')
    expect(await query(databases[0]?.url ?? '', 'show fsync')).toEqual([{ fsync: 'on' }])
    expect(await query(databases[1]?.url ?? '', 'show fsync')).toEqual([{ fsync: 'off' }])
  })

  test('listen on the loopback interface alone', async () => {
    expect(brokers.map(({ url }) => new URL(url).hostname)).toEqual(['127.0.0.1', '127.0.0.1'])
    const listeners = await brokers[0]?.ctl(
      'eval',
      'io:format("~p~n", [[inet:sockname(P) || P <- erlang:ports(), erlang:port_info(P, name) == {name, "tcp_inet"}]]).',
    )
    expect(listeners).toContain('127,0,0,1')
    expect(listeners).not.toContain('{0,0,0,0}')
    expect(await query(databases[0]?.url ?? '', 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
  })

  test('offer the management API only where it was asked for', async () => {
    expect(brokers[0]?.managementUrl).toBeUndefined()
    const overview = await callManagement(brokers[1]?.managementUrl ?? '', 'GET', '/overview')
    expect(overview).toMatchObject({ rabbitmq_version: expect.stringMatching(/^\d+\.\d+/) })
  })

  test('a broker that is killed comes back under the same URL with its messages', async () => {
    const [broker] = brokers
    if (broker === undefined) throw new Error('no broker')
    await publish(broker.url, 'kept', 'survives')
    const { pid } = broker
    await broker.kill()
    expect(runs(pid)).toBe(false)
    await expect(connect(broker.url)).rejects.toThrow('ECONNREFUSED')

    await broker.restart()
    expect(broker.pid).not.toBe(pid)
    await broker.restart()
    expect(await consume(broker.url, 'kept')).toBe('survives')
  })

  test('a database that is killed while it works comes back under the same URL with what was committed', async () => {
    const [database] = databases
    if (database === undefined) throw new Error('no database')
    await query(database.url, 'create table kept as select 1 as value')
    const busy = new Client({ connectionString: database.url })
    busy.on('error', () => {})
    await busy.connect()
    const work = busy.query('select count(*) from generate_series(1, 1000000000)')
    await Promise.all([expect(work).rejects.toThrow(), database.kill()])
    await expect(query(database.url, 'select 1')).rejects.toThrow('ECONNREFUSED')

    await database.restart()
    expect(await query(database.url, 'select * from kept')).toEqual([{ value: 1 }])
    await database.restart()
    expect(await query(database.url, 'select * from kept')).toEqual([{ value: 1 }])
  })

  test('leave no process and no file behind when they are stopped, also when stopped twice', async () => {
    const all = [...brokers, ...databases]
    const pids = all.map(({ pid }) => pid)
    expect(pids.map(runs)).toEqual([true, true, true, true])
    expect(readdirSync(stateFolder)).toHaveLength(4)

    await Promise.all(all.map((service) => service.stop()))
    await Promise.all(all.map((service) => service.stop()))

    expect(pids.map(runs)).toEqual([false, false, false, false])
    expect(readdirSync(stateFolder)).toEqual([])
  })
})

describe('a start that takes longer than it may', () => {
  const stateFolder = makeStateFolder()
  afterAll(() => rmSync(stateFolder, { recursive: true, force: true }))

  test.each([
    ['RabbitMQ', () => startNativeBroker({ stateFolder, startTimeoutMs: 1 })],
    ['PostgreSQL', () => startNativePostgres({ stateFolder, startTimeoutMs: 1 })],
  ])('fails with a clear error and leaves nothing of %s behind', async (name, start) => {
    const before = childProcesses(process.pid)
    await expect(start()).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: expect.stringContaining(`The private ${name}`),
    })
    expect(childProcesses(process.pid)).toEqual(before)
    expect(readdirSync(stateFolder)).toEqual([])
  })
})

describe('after the process that started them', () => {
  const stateFolder = makeStateFolder()
  afterAll(() => rmSync(stateFolder, { recursive: true, force: true }))

  async function startElsewhere(ending: string): Promise<{ owner: ChildProcess; pids: number[] }> {
    const script = join(import.meta.dirname, 'start-services.fixture.ts')
    const owner = spawn(process.execPath, [script, stateFolder, ending], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => {
      owner.kill('SIGKILL')
    })
    const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string]
    return { owner, pids: JSON.parse(line) as number[] }
  }

  test('was killed, but not before, the next start ends what it left and removes its files', async () => {
    const { owner, pids } = await startElsewhere('wait')
    await removeLeftovers(stateFolder)
    expect(pids.map(runs)).toEqual([true, true])
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    expect(pids.map(runs)).toEqual([true, true])

    const lines: string[] = []
    const postgres = await startNativePostgres({ stateFolder, log: (line) => lines.push(line) })
    onTestFinished(() => postgres.stop())

    expect(pids.map(runs)).toEqual([false, false])
    expect(readdirSync(stateFolder)).toHaveLength(1)
    expect(lines.filter((line) => line.includes('left behind'))).toHaveLength(2)
    expect(await query(postgres.url, 'select 1 as alive')).toEqual([{ alive: 1 }])
  })

  test('exited without stopping them, they are gone', async () => {
    const { owner, pids } = await startElsewhere('exit')
    if (owner.exitCode === null) await once(owner, 'exit')
    await waitFor(() => !pids.some(runs), { describe: 'the services to end' })
  })
})

describe('a record of an earlier run', () => {
  const stateFolder = makeStateFolder()
  const bystander = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const bystanderPid = bystander.pid ?? 0
  afterAll(async () => {
    bystander.kill('SIGKILL')
    await once(bystander, 'exit')
    rmSync(stateFolder, { recursive: true, force: true })
  })

  const gone = { pid: 2 ** 22 + 1, startTime: '1' }
  function forge(record: object): string {
    const folder = join(stateFolder, 'rabbitmq-forged')
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      join(folder, 'instance.json'),
      JSON.stringify({ kind: 'rabbitmq', machine: machineIdentity(), owner: gone, processes: [], ...record }),
    )
    return folder
  }

  test('does not harm a process that was given the same pid since', async () => {
    forge({ processes: [{ pid: bystanderPid, startTime: '12345' }] })
    await removeLeftovers(stateFolder)
    expect(readdirSync(stateFolder)).toEqual([])
    expect(runs(bystanderPid)).toBe(true)
    expect(bystander.signalCode).toBeNull()
  })

  test('names an owner by start time too, so that a reused pid does not protect leftovers', async () => {
    forge({ owner: { pid: process.pid, startTime: '12345' } })
    await removeLeftovers(stateFolder)
    expect(readdirSync(stateFolder)).toEqual([])
  })

  test('from another container that shares the folder is left alone, as its pids mean nothing here', async () => {
    const processes = [{ pid: bystanderPid, startTime: processStartTime(bystanderPid) }]
    forge({ machine: { ...machineIdentity(), pidNamespace: 'pid:[1]' }, processes })
    await removeLeftovers(stateFolder)
    expect(readdirSync(stateFolder)).toEqual(['rabbitmq-forged'])
    expect(runs(bystanderPid)).toBe(true)
  })

  test('of a running owner protects its folder', async () => {
    forge({ owner: ownIdentity() })
    await removeLeftovers(stateFolder)
    expect(readdirSync(stateFolder)).toEqual(['rabbitmq-forged'])
  })

  test.each(['', 'null', '{"kind":"rabbitmq"}', '{"processes":[{"pid":1}]}'])(
    'that is not one (%j) kills nothing and keeps a young folder',
    async (text) => {
      writeFileSync(join(forge({}), 'instance.json'), text)
      await removeLeftovers(stateFolder)
      expect(readdirSync(stateFolder)).toEqual(['rabbitmq-forged'])
    },
  )
})

describe('services from the environment', () => {
  test('are used, cannot be killed, and go on after stop', async () => {
    const { brokerUrl, databaseUrl } = sharedServices()
    const environment = { RABBITMQ_URL: brokerUrl, DATABASE_URL: databaseUrl }
    const broker = await startBroker({ environment })
    const postgres = await startPostgres({ environment })
    expect([broker.source, postgres.source]).toEqual(['environment', 'environment'])
    expect([broker.url, postgres.url]).toEqual([brokerUrl, databaseUrl])

    for (const service of [broker, postgres]) {
      await expect(service.kill()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
      await expect(service.restart()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
      await service.stop()
    }
    await publish(brokerUrl, 'still-there', 'yes')
    expect(await consume(brokerUrl, 'still-there')).toBe('yes')
    expect(await query(databaseUrl, 'select 1 as alive')).toEqual([{ alive: 1 }])
  })

  test('that cannot be reached are an error, not a reason to start others', async () => {
    const environment = {
      RABBITMQ_URL: 'amqp://guest:hidden@127.0.0.1:9',
      DATABASE_URL: 'postgres://u:hidden@127.0.0.1:9/d',
    }
    for (const start of [startBroker({ environment }), startPostgres({ environment })]) {
      const error: unknown = await start.catch((cause: unknown) => cause)
      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
      expect(String(error)).toMatch(/environment: .*ECONNREFUSED/)
      expect(String(error)).not.toContain('hidden')
      expect(String(error)).not.toContain('native')
    }
  })

  test('give way to the source that is asked for', async () => {
    const { brokerUrl, databaseUrl } = sharedServices()
    const environment = { RABBITMQ_URL: brokerUrl, DATABASE_URL: databaseUrl, BLOCKMILL_TEST_SERVICES: 'native' }
    const postgres = await startPostgres({ environment })
    onTestFinished(() => postgres.stop())
    expect(postgres.source).toBe('native')
  })
})

describe('a Docker engine', () => {
  let restore = () => {}
  afterEach(() => restore())

  test('that does not answer is skipped soon', async () => {
    const environment = { BLOCKMILL_TEST_SERVICES: 'docker', DOCKER_HOST: 'unix:///nonexistent/docker.sock' }
    const start = performance.now()
    await expect(startPostgres({ environment })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      message: expect.stringContaining('docker: the Docker engine at DOCKER_HOST'),
    })
    expect(performance.now() - start).toBeLessThan(15_000)
  })

  test('that cannot pull the image is passed over with a line that says why', async () => {
    const folder = makeStateFolder()
    const socket = join(folder, 'docker.sock')
    const engine = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://engine').pathname.replace(/^\/v[\d.]+/, '')
      const replies: Record<string, [number, unknown]> = {
        '/_ping': [200, 'OK'],
        '/info': [
          200,
          { ServerVersion: '28.0', OperatingSystem: 'test', OSType: 'linux', Labels: [], NCPU: 2, MemTotal: 1 },
        ],
        '/networks/bridge': [200, { IPAM: { Config: [{ Gateway: '172.17.0.1' }] } }],
        '/images/create': [500, { message: 'the registry cannot be reached' }],
      }
      const [status, body] = replies[path] ?? [404, { message: `nothing at ${path}` }]
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
      response.end(JSON.stringify(body))
    })
    engine.listen(socket)
    await once(engine, 'listening')
    const before = process.env['DOCKER_HOST']
    process.env['DOCKER_HOST'] = `unix://${socket}`
    restore = () => {
      if (before === undefined) delete process.env['DOCKER_HOST']
      else process.env['DOCKER_HOST'] = before
    }
    const lines: string[] = []
    const postgres = await startPostgres({
      environment: { DOCKER_HOST: `unix://${socket}` },
      log: (line) => lines.push(line),
    })
    onTestFinished(async () => {
      await postgres.stop()
      engine.closeAllConnections()
      engine.close()
      rmSync(folder, { recursive: true, force: true })
    })
    expect(postgres.source).toBe('native')
    expect(lines.join('\n')).toMatch(
      /could not be started from docker, trying the next way.*registry cannot be reached/,
    )
  })
})

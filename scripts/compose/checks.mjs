import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'

import { docker, OWN_SERVICES } from './project.mjs'
import { waitFor } from './record.mjs'

const BASE_IMAGE = 'node:24-bookworm-slim'

/** What the system must reach. */
const LIMITS = { upSeconds: 90, imageMegabytes: 350, idlePercent: 5 }

/** How long the processor time of a system is watched that has nothing to do. */
const IDLE_WINDOW_MS = 60_000

/**
 * One thing that is tried. It resolves with what was found, to be printed, and rejects when that is not right.
 *
 * @typedef {{ title: string, run: () => Promise<string> }} Check
 */

/**
 * What is tried on a fresh installation whose chain builds a block each second.
 *
 * @param {{ project: import('./project.mjs').Project, record: ReturnType<typeof import('./record.mjs').createRecord> }} system
 * @returns {Check[]}
 */
export function loadChecks({ project, record }) {
  const check = (title, run) => ({ title, run })
  return [
    check(`comes up from nothing within ${LIMITS.upSeconds} s`, async () => {
      const seconds = await project.up()
      if (seconds > LIMITS.upSeconds) throw new Error(`it took ${seconds.toFixed(1)} s`)
      return `${seconds.toFixed(1)} s until every container was healthy`
    }),
    check('migrates the database once, and is done with that', async () => {
      const [state] = await project.inspect('migrate', '{{json .State}}')
      if (state.Status !== 'exited' || state.ExitCode !== 0) throw new Error(JSON.stringify(state))
      return 'migrate ended with status 0'
    }),
    check('writes logs that can be read: JSON lines, no errors, no stacks', () => assertReadableLogs(project)),
    check('publishes nothing but the monitor, on loopback', () => assertPublished(project)),
    check('lets nobody in without a token', async () => {
      const [stranger, guess] = [await project.get('/api/v1/tasks'), await project.get('/api/v1/tasks', 'a'.repeat(32))]
      if (stranger.status !== 401 || guess.status !== 401) throw new Error(`${stranger.status}, ${guess.status}`)
      await record.api('/tasks')
      return '401 without a token and with a wrong one; the one that the monitor made opens'
    }),
    check('runs as an ordinary user on a file system that it cannot change', async () => {
      const user = (await project.exec('worker', 'id', '--user')).trim()
      const write = await project.exec('worker', 'touch', '/app/written').then(
        () => 'writable',
        () => 'read-only',
      )
      if (user === '0' || write !== 'read-only') throw new Error(`user ${user}, ${write}`)
      return `user ${user}, read-only`
    }),
    check('runs the tasks of every block', async () => {
      await record.advance(10)
      return record.assertNothingLost()
    }),
    check('serves the low lane with workers of its own', () => assertLanes(project, record)),
    check('takes more workers: --scale worker=4', async () => {
      await project.up('--no-recreate', '--scale', 'worker=4')
      const workers = await project.containersOf('worker')
      await waitFor(
        'each of four workers to have run a task',
        async () => (await workersOf(record, 'head-load')).size >= 4,
      )
      return `${workers.length} containers, each of which has run tasks`
    }),
    ...['worker', 'worker-backfill', 'scheduler', 'monitor', 'rabbitmq', 'postgres', 'devchain'].map((service) =>
      check(`loses nothing when ${service} is killed under load`, () => killUnderLoad(project, record, service)),
    ),
    check('starts a container again whose process dies', () => assertRestarts(project, record)),
    check('loses nothing when broker and database are restarted together', async () => {
      await project.compose('restart', 'rabbitmq', 'postgres')
      await record.advance(5)
      return record.assertNothingLost()
    }),
    check('ends in order when it is told to, each service with status 0', async () => {
      await project.compose('stop')
      const states = await Promise.all(
        [...OWN_SERVICES, 'devchain'].map((one) => project.inspect(one, '{{.State.ExitCode}}')),
      )
      if (states.flat().some((status) => status !== 0)) throw new Error(`statuses ${JSON.stringify(states)}`)
      return `${states.flat().length} containers`
    }),
    check('keeps its record: down, then up', async () => {
      await project.compose('down')
      const seconds = await project.up()
      const before = await record.evaluatedTo()
      if (before === 0) throw new Error('nothing is covered any more')
      await record.advance(5)
      return `${seconds.toFixed(1)} s; went on after block ${before}; ${await record.assertNothingLost()}`
    }),
  ]
}

/**
 * What is tried on an installation whose chain stands still.
 *
 * @param {{ project: import('./project.mjs').Project }} system
 * @returns {Check[]}
 */
export function idleChecks({ project }) {
  return [
    {
      title: `takes at most ${LIMITS.idlePercent} % of a processor, beside broker and database, when there is nothing to do`,
      async run() {
        await project.up()
        // What starting has left to do is done by then.
        await delay(20_000)
        const [ours, theirs] = await Promise.all([
          idlePercents(project, [...OWN_SERVICES, 'devchain']),
          idlePercents(project, ['rabbitmq', 'postgres']),
        ])
        const text = `${ours.text} = ${ours.total.toFixed(2)} %; beside that ${theirs.text}`
        if (ours.total > LIMITS.idlePercent) throw new Error(text)
        return text
      },
    },
  ]
}

/** @param {{ image: string }} options @returns {Check[]} */
export function imageChecks({ image }) {
  return [
    {
      title: `is an image of at most ${LIMITS.imageMegabytes} MB over its base`,
      async run() {
        const size = async (name) => Number(await docker(['image', 'inspect', '--format', '{{.Size}}', name])) / 1e6
        const [whole, base] = [await size(image), await size(BASE_IMAGE)]
        const text = `${(whole - base).toFixed(0)} MB over ${BASE_IMAGE}`
        if (whole - base > LIMITS.imageMegabytes) throw new Error(text)
        return text
      },
    },
    {
      title: 'holds no secrets, and nothing but what runs',
      async run() {
        const find = [
          '-c',
          'find /app -not -path "*/node_modules/*" -name ".env*" -o -name "*.test.ts" -not -path "*/node_modules/*"',
        ]
        const found = await docker(['run', '--rm', '--entrypoint', 'sh', image, ...find])
        const history = await docker(['history', '--no-trunc', '--format', '{{.CreatedBy}}', image])
        if (found.trim() !== '') throw new Error(found)
        if (/token=|password=|_authToken/i.test(history)) throw new Error('its history has a secret')
        return 'no .env, no tests, no secret in its history'
      },
    },
  ]
}

async function assertReadableLogs(project) {
  const logged = await project.logs(...OWN_SERVICES, 'devchain', 'migrate')
  for (const line of logged) {
    let entry
    try {
      entry = JSON.parse(line)
    } catch {
      throw new Error(`no JSON: ${line}`)
    }
    const isComplete =
      typeof entry.level === 'number' && typeof entry.msg === 'string' && !Number.isNaN(Date.parse(entry.time))
    if (!isComplete || entry.level >= 50 || 'err' in entry) throw new Error(line)
  }
  return `${logged.length} lines`
}

async function assertPublished(project) {
  const services = [...OWN_SERVICES, 'devchain', 'rabbitmq', 'postgres']
  const ports = await Promise.all(
    services.map(async (service) => {
      const found = await project.inspect(service, '{{json .NetworkSettings.Ports}}')
      return found
        .flatMap((bindings) => Object.values(bindings ?? {}).flatMap((one) => one ?? []))
        .map(({ HostIp }) => `${service} on ${HostIp}`)
    }),
  )
  const published = ports.flat().join(', ')
  if (published !== 'monitor on 127.0.0.1') throw new Error(`published: ${published}`)
  return published
}

/** Names of the workers that have finished a task. */
async function workersOf(record, name) {
  const rows = await record.query(
    `select distinct worker from blockmill.task where name = '${name}' and finished_at > now() - interval '10 seconds'`,
  )
  return new Set((rows ?? []).map(({ worker }) => worker))
}

async function assertLanes(project, record) {
  await waitFor('both kinds of load to have run', async () => {
    const found = [await workersOf(record, 'head-load'), await workersOf(record, 'low-load')]
    return found.every(({ size }) => size > 0)
  })
  const hosts = async (service) => project.inspect(service, '{{json .Config.Hostname}}')
  const [head, low] = [await workersOf(record, 'head-load'), await workersOf(record, 'low-load')]
  const isOf = (found, own) => [...found].every((name) => own.some((host) => name.startsWith(`${host}-`)))
  if (!isOf(head, await hosts('worker')) || !isOf(low, await hosts('worker-backfill')))
    throw new Error(`head: ${[...head].join()}, low: ${[...low].join()}`)
  return 'low-load ran on worker-backfill, head-load on worker'
}

/** Kills a service while tasks run, leaves it dead for a while, and starts it again. */
async function killUnderLoad(project, record, service) {
  const running = `select count(*)::int as count from blockmill.task where status in ('scheduled', 'running', 'retrying')`
  let count = 0
  await waitFor('tasks to run', async () => {
    count = (await record.query(running))[0].count
    return count > 0
  })
  await project.kill(service)
  await delay(3_000)
  await project.start(service)
  await project.up('--no-recreate', '--scale', 'worker=4')
  await record.advance(5)
  return `${count} tasks were not done just before; ${await record.assertNothingLost()}`
}

/** As a crash does it: from outside, but not through the engine, which would take that for somebody's wish. */
async function assertRestarts(project, record) {
  const [before] = await project.inspect('scheduler', '{{json .State}}')
  try {
    process.kill(before.Pid, 'SIGKILL')
  } catch (error) {
    if (error.code === 'EPERM' || error.code === 'ESRCH')
      return 'not tried: the engine runs elsewhere, or as another user'
    throw error
  }
  await waitFor('the scheduler to be started again', async () => {
    const [{ Pid, Status }] = await project.inspect('scheduler', '{{json .State}}')
    return Status === 'running' && Pid !== before.Pid
  })
  await record.advance(5)
  return record.assertNothingLost()
}

/** How much of a processor services take while nothing is asked of them. */
async function idlePercents(project, services) {
  const before = await Promise.all(services.map((service) => processorSeconds(project, service)))
  await delay(IDLE_WINDOW_MS)
  const after = await Promise.all(services.map((service) => processorSeconds(project, service)))
  const percents = services.map((_, index) => ((after[index] - before[index]) / (IDLE_WINDOW_MS / 1000)) * 100)
  return {
    total: percents.reduce((sum, percent) => sum + percent, 0),
    text: services.map((service, index) => `${service} ${percents[index].toFixed(2)}`).join(', '),
  }
}

/** Processor time that the containers of a service have used so far. The file is where the version of cgroups has it. */
async function processorSeconds(project, service) {
  const read = 'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat'
  const text = await project.exec(service, 'sh', '-c', read)
  const [, microseconds] = /usage_usec (\d+)/.exec(text) ?? []
  return microseconds === undefined ? Number(text) / 1e9 : Number(microseconds) / 1e6
}

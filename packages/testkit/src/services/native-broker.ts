import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

import { ConfigurationError } from '@blockmill/core'

import { onProcessExit } from './exit-hook.ts'
import { takeFreePorts } from './free-ports.ts'
import { createInstanceFolder, type InstanceFolder } from './instance-folder.ts'
import { removeLeftovers } from './leftovers.ts'
import { type PrivateProcess, startPrivateProcess } from './private-process.ts'
import { ensureRabbitmq, type RabbitmqInstallation } from './rabbitmq-installation.ts'
import { probeAmqp, probeTcp, waitUntilReady } from './readiness.ts'
import { findStateFolder } from './state-folder.ts'

const run = promisify(execFile)

/** Options of a private broker. */
export interface NativeBrokerOptions {
  /** Enables the management plugin and its HTTP API. Default false: the node then starts faster. */
  readonly management?: boolean
  /** Where instances are kept; see `findStateFolder`. */
  readonly stateFolder?: string
  /** Longest wait for the node to answer. Default 60 s. */
  readonly startTimeoutMs?: number
  /** Told in a line what takes long. Default nothing. */
  readonly log?: (line: string) => void
}

/** A private RabbitMQ node on loopback ports. */
export interface NativeBroker {
  readonly url: string
  /** Base URL of the management HTTP API, user and password included, when the plugin is enabled. */
  readonly managementUrl: string | undefined
  /** The pid of the Erlang machine. Another one after a restart. */
  readonly pid: number
  /** Runs `rabbitmqctl` against the node and returns what it printed. Takes about a second. */
  ctl(...args: string[]): Promise<string>
  /** Ends the node by SIGKILL, as a crash does. Its data and ports stay; `restart()` brings it back. */
  kill(): Promise<void>
  /** Stops the node in an orderly way if it runs, and starts it again with the same ports and data. */
  restart(): Promise<void>
  /** Ends the node and removes what it left. Safe to call again. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const START_TIMEOUT_MS = 60_000
const STOP_GRACE_MS = 20_000

/**
 * Starts a private node: own name, ports, cookie, data and logs, and an `epmd` of its own, so nothing is shared with a
 * RabbitMQ that the machine may run.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when RabbitMQ is missing and cannot be installed, or does not start.
 */
export async function startNativeBroker(options: NativeBrokerOptions = {}): Promise<NativeBroker> {
  const { management = false, startTimeoutMs = START_TIMEOUT_MS, log = () => {} } = options
  const installation = await ensureRabbitmq(log)
  const stateFolder = options.stateFolder ?? findStateFolder()
  await removeLeftovers(stateFolder, log)

  const folder = createInstanceFolder(stateFolder, 'rabbitmq')
  const ports = await takeFreePorts(['amqp', 'distribution', 'epmd', 'management'])
  const environment = writeConfiguration(folder.path, ports, management)
  let epmd: PrivateProcess | undefined
  let node: PrivateProcess | undefined
  const removeExitHook = onProcessExit(() => {
    node?.signal('SIGKILL')
    epmd?.signal('SIGKILL')
    folder.removeNow()
  })

  async function startNode(): Promise<void> {
    const started = await startRecorded(folder, installation.server, [], environment)
    node = started
    await waitUntilReady(
      async () => {
        await probeAmqp(HOST, ports.amqp)
        if (management) await probeTcp(HOST, ports.management)
      },
      { timeoutMs: startTimeoutMs, isHopeless: () => (started.isRunning() ? undefined : endedError(started)) },
    )
  }

  async function stop(): Promise<void> {
    removeExitHook()
    // Nobody will read the data again, so the node need not close it in order.
    await node?.end('SIGKILL')
    await epmd?.end('SIGKILL')
    await folder.remove()
  }

  try {
    epmd = await startRecorded(folder, installation.epmd, ['-port', `${ports.epmd}`, '-address', HOST], environment)
    await waitUntilReady(() => probeTcp(HOST, ports.epmd), { timeoutMs: startTimeoutMs, isHopeless: () => undefined })
    await startNode()
  } catch (cause) {
    const tail = node?.logTail() ?? ''
    await stop()
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `The private RabbitMQ node did not start within ${startTimeoutMs} ms. It printed last:\n${tail}`,
      { cause },
    )
  }

  return {
    url: `amqp://guest:guest@${HOST}:${ports.amqp}`,
    managementUrl: management ? `http://guest:guest@${HOST}:${ports.management}` : undefined,
    get pid() {
      return node?.identity.pid ?? 0
    },
    ctl: (...args) => runCtl(installation, args, environment),
    kill: async () => node?.end('SIGKILL'),
    async restart() {
      await node?.end('SIGTERM', STOP_GRACE_MS)
      await startNode()
    },
    stop,
  }
}

async function startRecorded(
  folder: InstanceFolder,
  command: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<PrivateProcess> {
  const started = await startPrivateProcess({
    command,
    args,
    environment,
    cwd: folder.path,
    logFile: join(folder.path, `${basename(command)}.log`),
  })
  folder.recordProcess(started.identity)
  return started
}

function endedError(node: PrivateProcess): Error {
  return new Error(`The node ended while it was starting. It printed last:\n${node.logTail()}`)
}

/** Writes the node's files and returns the environment of all its programs, without what the machine's RabbitMQ may use. */
function writeConfiguration(
  folder: string,
  ports: Record<'amqp' | 'distribution' | 'epmd' | 'management', number>,
  management: boolean,
): NodeJS.ProcessEnv {
  const file = (name: string) => join(folder, name)
  writeFileSync(file('.erlang.cookie'), randomBytes(24).toString('hex'), { mode: 0o400 })
  writeFileSync(file('enabled_plugins'), management ? '[rabbitmq_management].' : '[].')
  writeFileSync(
    file('rabbitmq.conf'),
    [
      `listeners.tcp.1 = ${HOST}:${ports.amqp}`,
      ...(management ? [`management.tcp.ip = ${HOST}`, `management.tcp.port = ${ports.management}`] : []),
      '',
    ].join('\n'),
  )
  const inherited = Object.entries(process.env).filter(([key]) => !/^(RABBITMQ|ERL)_/.test(key))
  const loopbackOnly = '-kernel inet_dist_use_interface {127,0,0,1}'
  return {
    ...Object.fromEntries(inherited),
    // Erlang reads the cookie from here.
    HOME: folder,
    ERL_EPMD_PORT: `${ports.epmd}`,
    ERL_EPMD_ADDRESS: HOST,
    RABBITMQ_NODENAME: 'blockmill@localhost',
    RABBITMQ_DIST_PORT: `${ports.distribution}`,
    RABBITMQ_MNESIA_BASE: file('data'),
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('advanced.config'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_GENERATED_CONFIG_DIR: folder,
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins'),
    // Makes the start script become the Erlang machine instead of waiting for it, so that its pid is the node's.
    RABBITMQ_ALLOW_INPUT: 'true',
    RABBITMQ_SERVER_START_ARGS: '-noinput +B i',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: loopbackOnly,
    RABBITMQ_CTL_ERL_ARGS: loopbackOnly,
  }
}

async function runCtl(
  { ctl }: RabbitmqInstallation,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const { stdout } = await run(ctl, ['--quiet', ...args], { env: environment })
  return stdout
}

import { execFile } from 'node:child_process'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

import { ConfigurationError } from '@blockmill/core'

import { onProcessExit } from './exit-hook.ts'
import { retryPortConflicts, takeFreePorts } from './free-ports.ts'
import { createInstanceFolder, type InstanceFolder } from './instance-folder.ts'
import { removeLeftovers } from './leftovers.ts'
import { type PrivateProcess, startPrivateProcess } from './private-process.ts'
import { type ServerTls, writeRabbitmqConfiguration } from './rabbitmq-configuration.ts'
import { ensureRabbitmq, type RabbitmqInstallation } from './rabbitmq-installation.ts'
import { probeAmqp, probeTcp, waitUntilReady } from './readiness.ts'
import { saveQueueDirectory } from './queue-directory.ts'
import { findStateFolder } from './state-folder.ts'

const run = promisify(execFile)

/** Options of a private broker. */
export interface NativeBrokerOptions {
  /** Enables the management plugin and its HTTP API. Default false: the node then starts faster. */
  readonly management?: boolean
  /** Speaks TLS on a port of its own, too, with clients that show a certificate of its authority. */
  readonly tls?: ServerTls
  /** Where instances are kept; see `findStateFolder`. */
  readonly stateFolder?: string
  /** Longest wait for the node to answer. Default 120 s. */
  readonly startTimeoutMs?: number
  /** Told in a line what takes long. Default nothing. */
  readonly log?: (line: string) => void
}

/** A private RabbitMQ node on loopback ports. */
export interface NativeBroker {
  readonly url: string
  /** With `amqps://`, when it speaks TLS. */
  readonly tlsUrl: string | undefined
  /** Base URL of the management HTTP API, user and password included, when the plugin is enabled. */
  readonly managementUrl: string | undefined
  /** The pid of the Erlang machine. Another one after a restart. */
  readonly pid: number
  /** Runs `rabbitmqctl` against the node and returns what it printed. Takes about a second. */
  ctl(...args: string[]): Promise<string>
  /**
   * Ends the node by SIGKILL, as a crash does. Its data and ports stay; `restart()` brings it back. Queues are safe, however
   * young: see `saveQueueDirectory`.
   */
  kill(): Promise<void>
  /** Stops the node in an orderly way if it runs, and starts it again with the same ports and data. */
  restart(): Promise<void>
  /** Ends the node and removes what it left. Safe to call again. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const START_TIMEOUT_MS = 120_000
const STOP_GRACE_MS = 20_000

/**
 * Starts a private node: own name, ports, cookie, data and logs, and an `epmd` of its own, so nothing is shared with a
 * RabbitMQ that the machine may run.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when RabbitMQ is missing and cannot be installed, or does not start.
 */
export async function startNativeBroker(options: NativeBrokerOptions = {}): Promise<NativeBroker> {
  const { management = false, tls, startTimeoutMs = START_TIMEOUT_MS, log = () => {} } = options
  const installation = await ensureRabbitmq(log)
  const stateFolder = options.stateFolder ?? findStateFolder()
  await removeLeftovers(stateFolder, log)
  return retryPortConflicts(() => startNode(installation, stateFolder, { management, tls }, startTimeoutMs))
}

async function startNode(
  installation: RabbitmqInstallation,
  stateFolder: string,
  { management, tls }: { readonly management: boolean; readonly tls: ServerTls | undefined },
  startTimeoutMs: number,
): Promise<NativeBroker> {
  const folder = createInstanceFolder(stateFolder, 'rabbitmq')
  const ports = await takeFreePorts(['amqp', 'amqps', 'distribution', 'epmd', 'management'])
  const environment = writeRabbitmqConfiguration(folder.path, HOST, ports, { management, tls })
  let epmd: PrivateProcess | undefined
  let node: PrivateProcess | undefined
  const removeExitHook = onProcessExit(() => {
    node?.signal('SIGKILL')
    epmd?.signal('SIGKILL')
    folder.removeNow()
  })

  async function boot(): Promise<void> {
    const started = await startRecorded(folder, installation.server, [], environment)
    node = started
    await waitUntilReady(
      async () => {
        await probeAmqp(HOST, ports.amqp)
        if (management) await probeTcp(HOST, ports.management)
      },
      { timeoutMs: startTimeoutMs, isHopeless: () => endedError(started) },
    )
  }

  async function ctl(...args: string[]): Promise<string> {
    const { stdout } = await run(installation.ctl, ['--quiet', ...args], { env: environment })
    return stdout
  }

  async function stop(): Promise<void> {
    removeExitHook()
    // Nobody will read the data again, so the node need not close it in order.
    await node?.end('SIGKILL')
    await epmd?.end('SIGKILL')
    await folder.remove()
  }

  try {
    const mapper = await startRecorded(
      folder,
      installation.epmd,
      ['-port', `${ports.epmd}`, '-address', HOST],
      environment,
    )
    epmd = mapper
    await waitUntilReady(() => probeTcp(HOST, ports.epmd), {
      timeoutMs: startTimeoutMs,
      isHopeless: () => endedError(mapper),
    })
    await boot()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const output = (node ?? epmd)?.logTail() ?? ''
    await stop()
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `The private RabbitMQ node did not start within ${startTimeoutMs} ms. ${reason} It printed last:\n${output}`,
      { cause },
    )
  }

  return {
    url: `amqp://guest:guest@${HOST}:${ports.amqp}`,
    tlsUrl: tls === undefined ? undefined : `amqps://guest:guest@localhost:${ports.amqps}`,
    managementUrl: management ? `http://guest:guest@${HOST}:${ports.management}` : undefined,
    get pid() {
      return node?.identity.pid ?? 0
    },
    ctl,
    async kill() {
      await saveQueueDirectory(ctl)
      await node?.end('SIGKILL')
    },
    async restart() {
      await node?.end('SIGTERM', STOP_GRACE_MS)
      await boot()
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

function endedError(started: PrivateProcess): Error | undefined {
  return started.isRunning() ? undefined : new Error('It ended while it was starting.')
}

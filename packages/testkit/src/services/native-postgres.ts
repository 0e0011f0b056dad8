import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { ConfigurationError } from '@blockmill/core'

import { NOT_DURABLE } from './docker-postgres.ts'
import { onProcessExit } from './exit-hook.ts'
import { retryPortConflicts, takeFreePorts } from './free-ports.ts'
import { createInstanceFolder } from './instance-folder.ts'
import { removeLeftovers } from './leftovers.ts'
import { findPostgres, type PostgresBinaries } from './postgres-binaries.ts'
import { probePostgres } from './postgres-session.ts'
import { killWithChildren } from './process-ending.ts'
import { type PrivateProcess, startPrivateProcess } from './private-process.ts'
import type { ServerTls } from './rabbitmq-configuration.ts'
import { waitUntilReady } from './readiness.ts'
import { findStateFolder } from './state-folder.ts'

const run = promisify(execFile)

/** Options of a private PostgreSQL. */
export interface NativePostgresOptions {
  /** Default true. False gives up safety against a crash of the machine (`fsync` and friends), which makes tests faster. */
  readonly durable?: boolean
  /** Speaks TLS, too; asks clients for no certificate, but verifies one that is shown. */
  readonly tls?: ServerTls
  /** Where instances are kept; see `findStateFolder`. */
  readonly stateFolder?: string
  /** Longest wait for the server to answer. Default 120 s. */
  readonly startTimeoutMs?: number
  /** Told in a line what takes long. Default nothing. */
  readonly log?: (line: string) => void
}

/** A private PostgreSQL server on a loopback port. */
export interface NativePostgres {
  /** Connects as superuser to the database `postgres`. */
  readonly url: string
  /** The pid of the postmaster. Another one after a restart. */
  readonly pid: number
  /** Ends the server by SIGKILL, as a crash does. Its data and port stay; `restart()` brings it back through recovery. */
  kill(): Promise<void>
  /** Stops the server if it runs, cutting its connections, and starts it again with the same port and data. */
  restart(): Promise<void>
  /** Ends the server and removes what it left. Safe to call again. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const USER = 'postgres'
const START_TIMEOUT_MS = 120_000

/**
 * Starts a private PostgreSQL: UTF-8, the C.UTF-8 locale that the server brings itself, time zone UTC, no Unix socket.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when there is none for this platform, or it does not start.
 */
export async function startNativePostgres(options: NativePostgresOptions = {}): Promise<NativePostgres> {
  const { durable = true, tls, startTimeoutMs = START_TIMEOUT_MS, log = () => {} } = options
  const stateFolder = options.stateFolder ?? findStateFolder()
  await removeLeftovers(stateFolder, log)
  const binaries = await findPostgres(stateFolder)
  return retryPortConflicts(() => startServer(binaries, stateFolder, { durable, tls }, startTimeoutMs))
}

async function startServer(
  binaries: PostgresBinaries,
  stateFolder: string,
  { durable, tls }: { readonly durable: boolean; readonly tls: ServerTls | undefined },
  startTimeoutMs: number,
): Promise<NativePostgres> {
  const folder = createInstanceFolder(stateFolder, 'postgres')
  const dataDir = join(folder.path, 'data')
  const logFile = join(folder.path, 'postgres.log')
  const password = randomBytes(12).toString('hex')
  const { port } = await takeFreePorts(['port'])
  const url = `postgres://${USER}:${password}@${HOST}:${port}/postgres`
  const settings = [...serverSettings(port, durable), ...(tls === undefined ? [] : TLS_SETTINGS)]
  let server: PrivateProcess | undefined
  const removeExitHook = onProcessExit(() => {
    server?.signal('SIGQUIT')
    folder.removeNow()
  })

  async function boot(): Promise<void> {
    const started = await startPrivateProcess({
      command: binaries.postgres,
      args: ['-D', dataDir, ...settings.flatMap((setting) => ['-c', setting])],
      environment: serverEnvironment(),
      cwd: dataDir,
      logFile,
      ...(binaries.user && { user: binaries.user }),
    })
    folder.recordProcess(started.identity)
    server = started
    await waitUntilReady(() => probePostgres(url), {
      timeoutMs: startTimeoutMs,
      isHopeless: () => (started.isRunning() ? undefined : new Error('It ended while it was starting.')),
    })
  }

  async function stop(): Promise<void> {
    removeExitHook()
    // An immediate shutdown leaves recovery to the next start, which data that is about to be removed does not have.
    await server?.end('SIGQUIT')
    await folder.remove()
  }

  try {
    await createCluster(binaries, dataDir, folder.path, password)
    if (tls !== undefined) writeCertificates(binaries, dataDir, tls)
    await boot()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const output = server?.logTail() ?? ''
    await stop()
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `The private PostgreSQL did not start within ${startTimeoutMs} ms. ${reason} It printed last:\n${output}`,
      { cause },
    )
  }

  return {
    url,
    get pid() {
      return server?.identity.pid ?? 0
    },
    async kill() {
      // A server process that is busy outlives the postmaster, and then keeps a new one from starting.
      if (server !== undefined) await killWithChildren(server.identity)
    },
    async restart() {
      await server?.end('SIGINT')
      await boot()
    },
    stop,
  }
}

async function createCluster(
  { initdb, user }: PostgresBinaries,
  dataDir: string,
  folder: string,
  password: string,
): Promise<void> {
  const passwordFile = join(folder, 'password')
  mkdirSync(dataDir, { recursive: true })
  chmodSync(dataDir, 0o700)
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (user !== undefined) {
    for (const path of [dataDir, passwordFile]) chownSync(path, user.uid, user.gid)
  }
  await run(
    initdb,
    [
      `--pgdata=${dataDir}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ],
    { cwd: dataDir, env: serverEnvironment(), ...user },
  )
  rmSync(passwordFile)
}

/** Relative to the data. */
const TLS_SETTINGS = ['ssl=on', 'ssl_ca_file=ca.pem', 'ssl_cert_file=cert.pem', 'ssl_key_file=key.pem']

function writeCertificates({ user }: PostgresBinaries, dataDir: string, tls: ServerTls): void {
  for (const [name, pem] of Object.entries(tls)) {
    const path = join(dataDir, `${name}.pem`)
    writeFileSync(path, pem, { mode: 0o600 })
    if (user !== undefined) chownSync(path, user.uid, user.gid)
  }
}

/** Without variables that choose another server or cluster, and with messages in English. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('PG'))
  return { ...Object.fromEntries(inherited), LC_ALL: 'C' }
}

function serverSettings(port: number, durable: boolean): string[] {
  return [
    `listen_addresses=${HOST}`,
    `port=${port}`,
    'unix_socket_directories=',
    'timezone=UTC',
    'log_timezone=UTC',
    ...(durable ? [] : NOT_DURABLE),
  ]
}

import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, globSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { ConfigurationError } from '@blockmill/core'

import { isRoot } from './state-folder.ts'

const run = promisify(execFile)

/** The programs of a RabbitMQ on this machine. */
export interface RabbitmqInstallation {
  /** The server's start script. Not Debian's wrapper, which insists on the user `rabbitmq` and the system's folders. */
  readonly server: string
  readonly ctl: string
  /** Erlang's port mapper. */
  readonly epmd: string
}

/** Finds the RabbitMQ of this machine. */
export function findRabbitmq(): RabbitmqInstallation | undefined {
  const server =
    globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server').toSorted().at(-1) ??
    findProgram('rabbitmq-server', ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'])
  const epmd = findProgram('epmd') ?? globSync('/usr/lib/erlang/erts-*/bin/epmd').at(-1)
  if (server === undefined || epmd === undefined) return undefined
  return { server: realpathSync(server), ctl: join(dirname(realpathSync(server)), 'rabbitmqctl'), epmd }
}

/**
 * Finds RabbitMQ, installing it with apt-get when it is missing and this user may do so. The package's own system-wide
 * broker is neither started nor enabled.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` saying why it cannot be installed and what to do.
 */
export async function ensureRabbitmq(log: (line: string) => void): Promise<RabbitmqInstallation> {
  const found = findRabbitmq()
  if (found !== undefined) return found
  installing ??= installRabbitmq(log).finally(() => {
    installing = undefined
  })
  await installing
  const installed = findRabbitmq()
  if (installed === undefined) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      'rabbitmq-server was installed, but its programs were not found.',
    )
  }
  return installed
}

/** Two brokers that start at once in one process share one installation; between processes, dpkg's lock does that. */
let installing: Promise<void> | undefined

async function installRabbitmq(log: (line: string) => void): Promise<void> {
  if (findProgram('apt-get') === undefined) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      'rabbitmq-server is not installed, and there is no apt-get to install it with. Install RabbitMQ 3.10 or later.',
    )
  }
  const { command, args } = await rootShell()
  log('Installing rabbitmq-server with apt-get; this happens once and takes about half a minute.')
  await runInstaller(command, [...args, '-c', INSTALL_SCRIPT])
}

/**
 * Tries the package lists at hand first, since fresh ones take a while; an empty or outdated list makes that fail at once.
 * For the time of the installation a policy forbids to start the package's service (see invoke-rc.d(8)); it names this one
 * service, so that it is harmless should it stay behind. Afterwards the service is disabled, so that it does not start with
 * the next boot either.
 */
const INSTALL_SCRIPT = `
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\\ncase "$1" in rabbitmq-server*|epmd*) exit 101;; esac\\nexit 0\\n' > "$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
fi
install() {
  apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=180 rabbitmq-server
}
install || { apt-get update -q -o DPkg::Lock::Timeout=180 && install; } || exit 1
update-rc.d rabbitmq-server disable || true
if [ -d /run/systemd/system ]; then systemctl disable epmd.socket epmd.service || true; fi
`

async function rootShell(): Promise<{ command: string; args: string[] }> {
  if (isRoot()) return { command: 'sh', args: [] }
  try {
    await run('sudo', ['-n', 'true'])
    return { command: 'sudo', args: ['-n', 'sh'] }
  } catch (cause) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      'rabbitmq-server is not installed, and installing it needs root or a sudo that asks for no password. Run "apt-get install rabbitmq-server".',
      { cause },
    )
  }
}

async function runInstaller(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `apt-get could not install rabbitmq-server (status ${code}). Install RabbitMQ 3.10 or later by hand. apt-get said:\n${output.trim()}`,
    )
  }
}

/** The full path of a program on the search path or in one of the other folders. */
function findProgram(name: string, otherFolders: readonly string[] = []): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...otherFolders]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return existsSync(path)
  } catch {
    return false
  }
}

import { execFile } from 'node:child_process'
import { request } from 'node:http'
import { createServer } from 'node:net'
import process from 'node:process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** The services that are ours; the others are broker and database. */
export const OWN_SERVICES = ['scheduler', 'worker', 'worker-backfill', 'monitor']

/** A command of the engine that takes longer than this hangs. */
const COMMAND_TIMEOUT_MS = 300_000

/**
 * An installation of docker-compose.yml under a name of its own, apart from one that runs here already.
 *
 * @typedef {Awaited<ReturnType<typeof createProject>>} Project
 */

/** @param {{ name: string, files: readonly string[], settings?: Record<string, string> }} options */
export async function createProject({ name, files, settings = {} }) {
  const port = await freePort()
  // Neither the caller's settings nor his `.env`: what is tried is what a fresh machine gets.
  const env = { ...engineEnvironment(), MONITOR_PORT: String(port), ...settings }
  const before = [
    'compose',
    '--progress',
    'quiet',
    '--env-file',
    '/dev/null',
    '--project-name',
    name,
    ...files.flatMap((file) => ['-f', file]),
  ]

  const compose = (...args) => docker([...before, ...args], env)
  const containersOf = async (service) =>
    lines(await compose('ps', '--all', '--quiet', service)).map((container) => container.trim())

  return {
    compose,
    containersOf,
    /** Starts what is not there, and resolves with the seconds until all of it is healthy. */
    async up(...args) {
      const started = performance.now()
      await compose('up', '--detach', '--wait', '--wait-timeout', '180', ...args)
      return (performance.now() - started) / 1000
    },
    /** Removes everything, its volumes too, and what a profile has started. */
    remove: () => compose('--profile', '*', 'down', '--volumes', '--remove-orphans', '--timeout', '5'),
    inspect: async (service, format) => {
      const containers = await containersOf(service)
      return Promise.all(containers.map(async (one) => JSON.parse(await docker(['inspect', '--format', format, one]))))
    },
    kill: async (service) => docker(['kill', '--signal', 'KILL', ...(await containersOf(service))]),
    start: async (service) => docker(['start', ...(await containersOf(service))]),
    /** What a service has written, a line each. */
    logs: async (...services) => {
      const text = await compose('logs', '--no-color', '--no-log-prefix', ...services)
      // Some versions of compose clear each line on a terminal that is not there.
      return lines(text.replaceAll('\u001B[2K', ''))
    },
    /** Runs a command in a container and resolves with what it printed. */
    exec: (service, ...command) => compose('exec', '--no-TTY', service, ...command),
    /** Status and JSON of the monitor's answer. */
    get: (path, token) => get(port, path, token),
  }
}

/** Runs the engine's command. Rejects with what it wrote when it fails. */
export async function docker(args, env = engineEnvironment()) {
  try {
    const { stdout } = await execute('docker', args, { env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    throw new Error(`docker ${args.join(' ')} failed: ${error.stderr || error.message}`, { cause: error })
  }
}

/** What the engine's command needs, and nothing that sets one of our services. */
function engineEnvironment() {
  const names = [
    'PATH',
    'HOME',
    'TMPDIR',
    'DOCKER_HOST',
    'DOCKER_CONTEXT',
    'DOCKER_CONFIG',
    'DOCKER_CERT_PATH',
    'DOCKER_TLS_VERIFY',
  ]
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

export function lines(text) {
  return text.split('\n').filter((line) => line.trim() !== '')
}

function get(port, path, token) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, timeout: 10_000 }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode, body: parse(body) }))
    })
    asked.on('timeout', () => asked.destroy(new Error(`${path} was not answered within 10 s`)))
    asked.on('error', reject)
    asked.end()
  })
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    // The status tells enough of an answer that is none.
    return undefined
  }
}

/** A port that nothing listens on now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

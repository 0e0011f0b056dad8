import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { probeTcp } from './readiness.ts'

const ANSWER_TIMEOUT_MS = 1_000

/**
 * Why no Docker engine can be used, or undefined when one answers. Asks the engine itself, within a second: a Docker
 * client without an engine is common and must not cost time. Looks where Testcontainers looks: `DOCKER_HOST`, else the
 * usual sockets.
 */
export async function missingDockerEngine(environment: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const host = environment['DOCKER_HOST']
  if (host) {
    return (await answers(host)) ? undefined : `the Docker engine at DOCKER_HOST (${host}) does not answer`
  }
  const sockets = usualSockets(environment).filter((path) => existsSync(path))
  for (const socket of sockets) {
    if (await answers(`unix://${socket}`)) return undefined
  }
  return sockets.length === 0
    ? 'no Docker engine is running (no socket found)'
    : `the Docker engine at ${sockets.join(', ')} does not answer, or this user may not use it`
}

function usualSockets(environment: NodeJS.ProcessEnv): string[] {
  const runtimeFolder = environment['XDG_RUNTIME_DIR']
  return [
    '/var/run/docker.sock',
    ...(runtimeFolder ? [join(runtimeFolder, 'docker.sock')] : []),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
  ]
}

async function answers(host: string): Promise<boolean> {
  if (host.startsWith('unix://')) return ping({ socketPath: host.slice('unix://'.length) })
  const url = URL.parse(host)
  if (url === null) return false
  // An engine behind TLS wants a client certificate, which is Testcontainers' business: here it is enough that it listens.
  return probeTcp(url.hostname, Number(url.port || 2375), { timeoutMs: ANSWER_TIMEOUT_MS }).then(
    () => true,
    () => false,
  )
}

/** `GET /_ping` of the Docker Engine API. */
function ping({ socketPath }: { readonly socketPath: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: '/_ping', timeout: ANSWER_TIMEOUT_MS }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    call.once('timeout', () => call.destroy())
    call.once('error', () => resolve(false))
    call.once('close', () => resolve(false))
    call.end()
  })
}

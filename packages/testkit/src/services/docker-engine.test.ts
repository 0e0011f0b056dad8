import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { missingDockerEngine } from './docker-engine.ts'

/** A stand-in for an engine, on a Unix socket or a TCP port. */
async function startEngine(listenOn: 'socket' | 'port', reply: RequestListener): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'blockmill-test-'))
  const server = createServer(reply)
  const socket = join(folder, 'docker.sock')
  if (listenOn === 'socket') server.listen(socket)
  else server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    rmSync(folder, { recursive: true, force: true })
  })
  return listenOn === 'socket' ? `unix://${socket}` : `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('an engine that answers on its socket can be used', async () => {
  const paths: (string | undefined)[] = []
  const host = await startEngine('socket', (request, response) => {
    paths.push(request.url)
    response.end('OK')
  })
  expect(await missingDockerEngine({ DOCKER_HOST: host })).toBeUndefined()
  expect(paths).toEqual(['/_ping'])
})

test('an engine that listens on a port can be used', async () => {
  const host = await startEngine('port', (_, response) => response.end('OK'))
  expect(await missingDockerEngine({ DOCKER_HOST: host })).toBeUndefined()
})

test('a socket that answers with an error is no engine', async () => {
  const host = await startEngine('socket', (_, response) => {
    response.statusCode = 503
    response.end()
  })
  expect(await missingDockerEngine({ DOCKER_HOST: host })).toContain('does not answer')
})

test('a socket that never answers is given up', async () => {
  const host = await startEngine('socket', () => {})
  expect(await missingDockerEngine({ DOCKER_HOST: host })).toContain('does not answer')
})

test.each(['unix:///nonexistent/docker.sock', 'tcp://127.0.0.1:9', 'nonsense'])(
  'nothing answers at %s',
  async (host) => {
    expect(await missingDockerEngine({ DOCKER_HOST: host })).toBe(
      `the Docker engine at DOCKER_HOST (${host}) does not answer`,
    )
  },
)

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import { leakedResources, openResources } from './leak-check.ts'
import { waitFor } from './wait-for.ts'

test('sockets, servers and child processes are seen until they are closed', async () => {
  const before = openResources()
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const left = leakedResources(before, openResources())
  expect(left).toContain('1 TCPServerWrap')
  expect(left.some((each) => each.endsWith('TCPSocketWrap'))).toBe(true)
  expect(left).toContain('1 ProcessWrap')

  client.destroy()
  child.stdin.end()
  server.close()
  await waitFor(() => leakedResources(before, openResources()).length === 0, { describe: 'everything to be closed' })
})

test('timers are seen until they are cleared', () => {
  // All at once, because timers of the test runner itself come and go.
  const before = openResources()
  const timer = setInterval(() => {}, 60_000)
  expect(leakedResources(before, openResources())).toEqual(['1 Timeout'])
  clearInterval(timer)
  expect(leakedResources(before, openResources())).toEqual([])
})

test('what was open before is not held against a file, and what was closed meanwhile does not make up for new leaks', () => {
  expect(leakedResources(['Timeout', 'Timeout'], ['Timeout'])).toEqual([])
  expect(leakedResources(['Timeout', 'Timeout'], ['TCPSocketWrap', 'TCPSocketWrap'])).toEqual(['2 TCPSocketWrap'])
})

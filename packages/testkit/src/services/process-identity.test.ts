import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { expect, onTestFinished, test } from 'vitest'

import { childProcesses, isRunning, ownIdentity, processStartTime } from './process-identity.ts'

test('a process is known by its pid together with its start time', () => {
  const own = ownIdentity()
  expect(own.pid).toBe(process.pid)
  expect(own.startTime).not.toBe('')
  expect(isRunning(own)).toBe(true)
  expect(isRunning({ ...own, startTime: 'another' })).toBe(false)
})

test('a pid that nobody has does not run', () => {
  expect(processStartTime(2 ** 30)).toBeUndefined()
  expect(isRunning({ pid: 2 ** 30, startTime: '' })).toBe(false)
})

test('a child is listed while it runs and is gone when it has ended, whatever its command is called', async () => {
  const child = spawn(process.execPath, ['-e', 'process.title = "a) R 1 (b"; process.stdin.resume(); console.log()'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await once(child.stdout, 'data')
  const identity = childProcesses(process.pid).find(({ pid }) => pid === child.pid)
  expect(identity && isRunning(identity)).toBe(true)

  child.stdin.end()
  await once(child, 'exit')
  expect(identity && isRunning(identity)).toBe(false)
  expect(childProcesses(process.pid).map(({ pid }) => pid)).not.toContain(child.pid)
})

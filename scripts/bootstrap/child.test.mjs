import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'

import { expect, onTestFinished, test, vi } from 'vitest'

import { captureChild, firstLineOf, runChild } from './child.mjs'

const run = (script) => captureChild(process.execPath, ['-e', script])

test('passes the exit status on', async () => {
  expect(await runChild(process.execPath, ['-e', 'process.exitCode = 7'], {})).toBe(7)
})

test('tells a death by signal as shells do', async () => {
  expect((await run('process.kill(process.pid, "SIGKILL")')).status).toBe(137)
})

test('keeps both output streams', async () => {
  const { status, output } = await run('console.log("one"); console.error("two")')
  expect(status).toBe(0)
  expect(output).toContain('one')
  expect(output).toContain('two')
})

test('reports a program that does not exist with status 127', async () => {
  expect((await captureChild('blockmill-no-such-program', [])).status).toBe(127)
  expect(firstLineOf('blockmill-no-such-program', [])).toBeUndefined()
})

test('takes off its signal listeners when the child has ended', async () => {
  const before = process.listenerCount('SIGTERM')
  await runChild(process.execPath, ['-e', ''], {})
  expect(process.listenerCount('SIGTERM')).toBe(before)
})

test.skipIf(process.platform === 'win32')('ends its child when the shell that started it has been killed', async () => {
  const module = new URL('./child.mjs', import.meta.url)
  const program = 'console.log(process.pid); setInterval(() => {}, 1000)'
  const script = `import { runChild } from '${module}'; await runChild(process.execPath, ['-e', ${JSON.stringify(program)}], {})`
  // What npm does: a shell in between, which alone gets the signal.
  const shell = spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; true', process.execPath, script], {
    env: { ...process.env, npm_lifecycle_event: 'demo' },
  })
  const [pid] = await once(shell.stdout.setEncoding('utf8'), 'data')
  onTestFinished(() => killIfAlive(Number(pid)))
  shell.kill('SIGTERM')
  await vi.waitFor(() => expect(isAlive(Number(pid))).toBe(false), { timeout: 15_000 })
})

function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function killIfAlive(pid) {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}

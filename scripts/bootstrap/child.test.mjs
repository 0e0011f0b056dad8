import process from 'node:process'

import { expect, test } from 'vitest'

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

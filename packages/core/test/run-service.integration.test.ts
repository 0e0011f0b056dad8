import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { expect, onTestFinished, test } from 'vitest'

const MAIN = fileURLToPath(new URL('./fixtures/service-main.ts', import.meta.url))

interface Started {
  readonly child: ChildProcess
  readonly output: { stdout: string; stderr: string }
  /** Exit status; signal deaths as text. */
  readonly exit: Promise<number | string | null>
  readonly untilLogged: (text: string) => Promise<void>
}

function start(behaviour: string, environment: Record<string, string> = {}): Started {
  const child = fork(MAIN, [behaviour], {
    env: { PATH: process.env['PATH'], CHAIN_URL: 'dev', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('no pipes')
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const output = { stdout: '', stderr: '' }
  stdout.setEncoding('utf8').on('data', (chunk: string) => (output.stdout += chunk))
  stderr.setEncoding('utf8').on('data', (chunk: string) => (output.stderr += chunk))
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>
  const exit = Promise.all([exited, finished(stdout), finished(stderr)]).then(([[code, by]]) => code ?? by)
  const untilLogged = async (text: string): Promise<void> => {
    for (const deadline = Date.now() + 60_000; !output.stdout.includes(text); await delay(10)) {
      if (Date.now() > deadline) throw new Error(`never logged ${text}: ${output.stdout}${output.stderr}`)
    }
  }
  return { child, output, exit, untilLogged }
}

const READY = 'serving health checks and metrics'

test.each(['SIGTERM', 'SIGINT'] as const)('stops with status 0 on %s', async (signal) => {
  const { child, exit, output, untilLogged } = start('normal')
  await untilLogged(READY)
  child.kill(signal)
  expect(await exit).toBe(0)
  expect(output.stdout).toContain(`"by":"${signal}"`)
  expect(output.stdout).toContain('"stopped"')
})

test('stops with status 0 when it is asked to before it has started', async () => {
  const { child, exit, untilLogged } = start('start for ever', { LOG_LEVEL: 'debug' })
  await untilLogged('"starting"')
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})

test('waits for what is being created when it is asked to stop, and stops that', async () => {
  const { child, exit, output, untilLogged } = start('create slowly')
  await untilLogged('"starting"')
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  const messages = output.stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect(messages).toEqual(['starting', 'stopping', 'created', 'the fixture has stopped', 'stopped'])
})

test('exits at once with status 130 on a second signal', async () => {
  const { child, exit, untilLogged } = start('stop for ever')
  await untilLogged(READY)
  child.kill('SIGINT')
  await untilLogged('"stopping"')
  // Within half a second it would count as the same key press.
  await delay(600)
  child.kill('SIGINT')
  expect(await exit).toBe(130)
})

test('writes a configuration error as text, without a stack, and exits with status 1', async () => {
  const { exit, output } = start('normal', { PORT: 'http', BLOCKMILL_QUEUE: 'a' })
  expect(await exit).toBe(1)
  expect(output.stderr).toContain('PORT (environment) is "http"; it must be a whole number from 0 to 65535.')
  expect(output.stderr).toContain('Did you mean BLOCKMILL_QUEUES?')
  expect(output.stderr).not.toContain('    at ')
  expect(output.stdout).toBe('')
})

test('writes a refusal at start as text and exits with status 1', async () => {
  const { exit, output } = start('refused')
  expect(await exit).toBe(1)
  expect(output.stderr).toBe('The broker refused user joe.\n')
})

test('logs any other failure at start with its stack and exits with status 1', async () => {
  const { exit, output } = start('crash at start')
  expect(await exit).toBe(1)
  expect(output.stdout).toContain('TypeError: out of cheese')
})

test.each([
  ['uncaught', 'nobody caught me'],
  ['fail later', 'lost for good'],
])('logs an error while it runs (%s) and exits with status 1', async (behaviour, text) => {
  const { exit, output } = start(behaviour)
  expect(await exit).toBe(1)
  expect(output.stdout).toContain(text)
  expect(output.stdout).toContain('"level":60')
})

test('tells its parent when it has started and where', async () => {
  const { child } = start('normal')
  const [message] = (await once(child, 'message')) as [unknown]
  expect(message).toEqual({ type: 'started', url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) })
})

test('stops when its parent is gone', async () => {
  const { child, exit } = start('normal')
  await once(child, 'message')
  child.disconnect()
  expect(await exit).toBe(0)
})

test('ends although something was left open, and says what', async () => {
  const { child, exit, output, untilLogged } = start('leave something open')
  await untilLogged(READY)
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
  expect(output.stdout).toContain('something was left open')
})

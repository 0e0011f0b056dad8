import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { waitFor } from '@blockmill/testkit'
import { sharedServices } from '@blockmill/testkit/vitest'
import { expect, onTestFinished, test, vi } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const EXAMPLE = fileURLToPath(new URL('../../../apps/example', import.meta.url))

// Each starts six processes, and builds a chain: a busy machine takes minutes.
vi.setConfig({ testTimeout: 300_000 })

interface Demo {
  readonly child: ChildProcess
  readonly output: () => string
  readonly exit: Promise<number | null>
  /** Working directory, which its processes share: what tells them from others. */
  readonly folder: string
}

async function startDemo(...args: string[]): Promise<Demo> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'demo-'))
  const { brokerUrl, databaseUrl } = sharedServices()
  const child = spawn(process.execPath, [MAIN, 'dev', '--tasks', EXAMPLE, '--block-time', '500ms', ...args], {
    cwd: folder,
    env: { ...process.env, RABBITMQ_URL: brokerUrl, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  }
  onTestFinished(async () => {
    for (const { pid } of await processesIn(folder)) kill(pid)
    await rm(folder, { recursive: true })
  })
  const exit = once(child, 'close').then(([code]: (number | null)[]) => code ?? null)
  return { child, output: () => output, exit, folder }
}

/** One that has ended meanwhile is as it should be. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function processesIn(folder: string): Promise<{ pid: number; command: string }[]> {
  const found = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => '')
    if (cwd !== folder) continue
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    found.push({ pid: Number(name), command: command.replaceAll('\0', ' ') })
  }
  return found
}

async function untilItRuns({ output }: Demo): Promise<void> {
  const look = (): boolean => /head \d+, evaluated to [1-9]/.test(output())
  await waitFor(look, { describe: 'the demo to show progress', timeoutMs: 200_000 })
}

// Only Linux tells where a process works.
const onLinux = test.runIf(process.platform === 'linux')

onLinux('ends by itself when nothing is missing, and leaves nothing', async () => {
  const demo = await startDemo('--blocks', '4')
  expect(await demo.exit, demo.output()).toBe(0)
  expect(demo.output()).toMatch(/^note-block +4 +4 +0 +0 /m)
  expect(demo.output()).toContain('Nothing is missing')
  expect(await processesIn(demo.folder)).toEqual([])
})

onLinux('an interrupt ends all of its processes', async () => {
  const demo = await startDemo()
  await untilItRuns(demo)
  expect(await processesIn(demo.folder)).toHaveLength(6)
  demo.child.kill('SIGINT')
  expect(await demo.exit).toBe(0)
  expect(demo.output()).toContain('Everything has been stopped.')
  expect(await processesIn(demo.folder)).toEqual([])
})

onLinux('a process that dies fails the demo and is named', async () => {
  const demo = await startDemo('--blocks', '1000')
  await untilItRuns(demo)
  const monitor = (await processesIn(demo.folder)).find(({ command }) => command.includes('main.ts monitor'))
  if (monitor === undefined) throw new Error('The demo runs no monitor.')
  process.kill(monitor.pid, 'SIGKILL')
  expect(await demo.exit).toBe(1)
  expect(demo.output()).toContain('monitor was ended by SIGKILL. Its last lines, from ')
  expect(await processesIn(demo.folder)).toEqual([])
})

onLinux('its processes end when the demo itself is killed', async () => {
  const demo = await startDemo()
  await untilItRuns(demo)
  demo.child.kill('SIGKILL')
  const look = async (): Promise<boolean> => (await processesIn(demo.folder)).length === 0
  await waitFor(look, { describe: 'its processes to end', timeoutMs: 30_000 })
})

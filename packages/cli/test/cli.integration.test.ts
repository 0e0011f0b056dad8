import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { blockmill } from './blockmill.ts'

const SECRET = 'hunter2'
const CONFIGURED = {
  CHAIN_URL: `wss://node.example/${SECRET}`,
  DATABASE_URL: `postgresql://joe:${SECRET}@127.0.0.1:1/x`,
}

async function createTasksFolder(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tasks-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await mkdir(path.join(folder, 'tasks'))
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, 'tasks', name), text)
  return folder
}

test('help is no error, and names each command', async () => {
  const { status, stdout } = await blockmill(['--help'])
  expect(status).toBe(0)
  for (const command of [
    'scheduler',
    'worker',
    'monitor',
    'migrate',
    'config',
    'tasks',
    'enqueue',
    'dev',
    'dev-chain',
  ]) {
    expect(stdout).toContain(`\n  ${command} `)
  }
})

test.each([
  ['an unknown command', ['wroker']],
  ['an unknown option', ['worker', '--concurency', '5']],
  ['a missing argument', ['enqueue']],
  ['an argument out of its choices', ['config', 'database']],
  ['a number of blocks that is none', ['dev', '--blocks', '0']],
])('%s is wrong usage: status 2', async (_case, args) => {
  const { status, stdout, stderr } = await blockmill(args)
  expect(status).toBe(2)
  expect(stderr).toContain('error:')
  expect(stdout).toBe('')
})

test('config shows each value with its source, and no secret', async () => {
  const { status, stdout } = await blockmill(['config', 'scheduler'], {
    environment: { ...CONFIGURED, BLOCKMILL_START: '17' },
  })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^BLOCKMILL_START +17 +environment$/m)
  expect(stdout).toMatch(/^BLOCKMILL_POLL_INTERVAL +1s +default$/m)
  expect(stdout).toContain('127.0.0.1:1')
  expect(stdout).not.toContain(SECRET)
})

test('config without a service shows the settings of all, each once', async () => {
  const environment = {
    ...CONFIGURED,
    BLOCKMILL_START: '17',
    BLOCKMILL_OPERATOR_TOKEN: `${SECRET}-${SECRET}-${SECRET}`,
  }
  const { status, stdout } = await blockmill(['config'], { environment })
  expect(status).toBe(0)
  expect(stdout).toMatch(/^BLOCKMILL_OPERATOR_TOKEN +\*\*\* +environment$/m)
  expect(stdout.match(/^RABBITMQ_URL /gm)).toHaveLength(1)
  expect(stdout).toMatch(/^BLOCKMILL_START +17 +environment$/m)
  expect(stdout).toMatch(/^BLOCKMILL_CONCURRENCY +50 +default$/m)
  expect(stdout).toMatch(/^PORT +8080 +default \(monitor\)$/m)
  expect(stdout).toMatch(/^PORT +0 +default \(worker\)$/m)
  expect(stdout).not.toContain(SECRET)
})

test('config without a service names every problem once', async () => {
  const environment = { RABBITMQ_URL: 'nowhere', BLOCKMILL_CONCURRENCY: 'many' }
  const { status, stderr } = await blockmill(['config'], { environment })
  expect(status).toBe(1)
  for (const key of ['RABBITMQ_URL', 'BLOCKMILL_CONCURRENCY', 'DATABASE_URL', 'CHAIN_URL']) {
    expect(stderr.match(new RegExp(`${key} (\\(environment\\)|is not set)`, 'g')), key).toHaveLength(1)
  }
})

test('config as JSON can be read by programs', async () => {
  const { stdout } = await blockmill(['config', 'worker', '--json'], { environment: CONFIGURED })
  const entries = JSON.parse(stdout) as { key: string; value: string; source: string }[]
  expect(entries.find(({ key }) => key === 'BLOCKMILL_CONCURRENCY')).toMatchObject({ value: '50', source: 'default' })
  expect(stdout).not.toContain(SECRET)
})

test.each([
  ['worker', 'CHAIN_URL'],
  ['scheduler', 'DATABASE_URL'],
  ['monitor', 'DATABASE_URL'],
])('%s without %s ends with status 1 and says so, without a stack', async (service, key) => {
  const { status, stderr } = await blockmill([service])
  expect(status).toBe(1)
  expect(stderr).toContain(`${key} is not set`)
  expect(stderr).not.toContain('    at ')
})

test('a mistyped setting ends a service with the nearest name', async () => {
  const { status, stderr } = await blockmill(['monitor'], {
    environment: { ...CONFIGURED, BLOCKMILL_NAMESPCE: 'x' },
  })
  expect(status).toBe(1)
  expect(stderr).toContain('BLOCKMILL_NAMESPCE (environment) is not a setting. Did you mean BLOCKMILL_NAMESPACE?')
})

test('tasks list shows what a folder defines', async () => {
  const core = import.meta.resolve('@blockmill/core')
  const folder = await createTasksFolder({
    'tenth.ts': `import { defineTask, everyNBlocks } from '${core}'
      export const tenth = defineTask({ name: 'tenth', condition: everyNBlocks(10), queue: 'slow', timeout: '5m', run: () => {} })`,
  })
  const text = await blockmill(['tasks', 'list', '--tasks', folder])
  expect(text.stdout).toMatch(/^tenth +substrate +every 10 blocks +1 set +slow +finalized +5m +\S*tenth\.ts$/m)
  const { stdout } = await blockmill(['tasks', 'list', '--json', '--tasks', folder])
  expect(JSON.parse(stdout)).toMatchObject([{ name: 'tenth', chainKind: 'substrate', queue: 'slow', timeout: '5m' }])
})

test('tasks list names the module that cannot be imported, and why', async () => {
  const folder = await createTasksFolder({ 'broken.ts': 'throw new Error("out of cheese")' })
  const { status, stderr } = await blockmill(['tasks', 'list', '--tasks', folder])
  expect(status).toBe(1)
  expect(stderr).toContain('broken.ts')
  expect(stderr).toContain('out of cheese')
})

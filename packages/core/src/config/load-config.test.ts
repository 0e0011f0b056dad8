import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { loadConfig } from './load-config.ts'
import { workerSettings } from './worker-settings.ts'

async function createFolder(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'config-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text)
  return folder
}

async function concurrencyFrom(
  files: Record<string, string>,
  environment: Record<string, string> = {},
  commandLine: Record<string, string | undefined> = {},
): Promise<number> {
  const folder = await createFolder(files)
  const sources = { folder, commandLine, environment: { CHAIN_URL: 'dev', ...environment } }
  return (await loadConfig(workerSettings, sources)).config.concurrency
}

const CONFIG_FILE = { 'blockmill.config.ts': 'export default { BLOCKMILL_CONCURRENCY: 1 as number }' }
const DOT_ENV = { '.env': '# local\nBLOCKMILL_CONCURRENCY="2"\nOTHER=x\n' }

test('the configuration file, .env, the environment and the command line win over each other in this order', async () => {
  expect(await concurrencyFrom({})).toBe(50)
  expect(await concurrencyFrom(CONFIG_FILE)).toBe(1)
  expect(await concurrencyFrom({ ...CONFIG_FILE, ...DOT_ENV })).toBe(2)
  expect(await concurrencyFrom(DOT_ENV, { BLOCKMILL_CONCURRENCY: '3' })).toBe(3)
  expect(await concurrencyFrom({}, { BLOCKMILL_CONCURRENCY: '3' }, { BLOCKMILL_CONCURRENCY: '4' })).toBe(4)
  expect(await concurrencyFrom({}, { BLOCKMILL_CONCURRENCY: '3' }, { BLOCKMILL_CONCURRENCY: undefined })).toBe(3)
})

test('BLOCKMILL_CONFIG names another configuration file', async () => {
  const files = { ...CONFIG_FILE, 'other.mjs': 'export default { BLOCKMILL_CONCURRENCY: 6 }' }
  expect(await concurrencyFrom(files, { BLOCKMILL_CONFIG: 'other.mjs' })).toBe(6)
})

test.each([
  ['does not exist', {}],
  ['throws', { 'c.mjs': 'throw new Error("out of cheese")' }],
  ['has no default export', { 'c.mjs': 'export const x = 1' }],
  ['exports something else', { 'c.mjs': 'export default [1]' }],
])('a configuration file that %s is an error that names it', async (_case, files) => {
  await expect(concurrencyFrom(files, { BLOCKMILL_CONFIG: 'c.mjs' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('c.mjs'),
  })
})

test('a mistyped key in .env is an error that names the file', async () => {
  await expect(concurrencyFrom({ '.env': 'BLOCKMILL_QUEUE=a\n' })).rejects.toThrow(
    'BLOCKMILL_QUEUE (.env) is not a setting. Did you mean BLOCKMILL_QUEUES?',
  )
})

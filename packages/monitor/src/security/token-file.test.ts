import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { createSilentLogger } from '@blockmill/core'
import { beforeEach, expect, onTestFinished, test } from 'vitest'

import { loadTokens, openTokenFile } from './token-file.ts'

let file = ''
beforeEach(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'blockmill-test-'))
  file = path.join(folder, 'operator-token')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
})

const open = () => openTokenFile('BLOCKMILL_OPERATOR_TOKEN_FILE', file, 0o600)

test('makes a file with a random token that strangers cannot read, and keeps to it', async () => {
  const made = await open()
  expect(made).toEqual({ tokens: [expect.stringMatching(/^[0-9a-f]{64}$/)], isNew: true })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await open()).toEqual({ tokens: made.tokens, isNew: false })
})

test("shows its group the viewers' token, and nobody the operators'", async () => {
  const viewerTokenFile = path.join(path.dirname(file), 'viewer-token')
  const settings = { operatorTokens: ['given'], viewerTokenFile, operatorTokenFile: file }
  const { viewerTokens = [], operatorTokens = [] } = await loadTokens(settings, createSilentLogger())
  expect([viewerTokens.length, operatorTokens.length]).toEqual([1, 2])
  expect((await stat(viewerTokenFile)).mode & 0o777).toBe(0o640)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('monitors that start at once agree on one token', async () => {
  const opened = await Promise.all(Array.from({ length: 8 }, open))
  expect(new Set(opened.map(({ tokens }) => tokens.join())).size).toBe(1)
  expect(opened.filter(({ isNew }) => isNew)).toHaveLength(1)
})

test('reads the tokens that somebody has put there', async () => {
  await writeFile(file, 'a-token-of-twenty-characters,another-token-of-this-monitor\n')
  const { tokens } = await open()
  expect(tokens).toEqual(['a-token-of-twenty-characters', 'another-token-of-this-monitor'])
})

test.each(['', 'short', 'with blanks it is no token'])('refuses %j, and leaves it as it is', async (content) => {
  await writeFile(file, content)
  await expect(open()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(
      /^BLOCKMILL_OPERATOR_TOKEN_FILE .* holds no token; it must hold 16 to 256/,
    ) as string,
  })
  expect(await readFile(file, 'utf8')).toBe(content)
})

test('names the setting and the file that cannot be made', async () => {
  file = path.join(file, 'below', 'nothing')
  await expect(open()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(file) as string,
  })
})

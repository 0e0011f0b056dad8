import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { expect, onTestFinished, test as each } from 'vitest'

import { findPromtool } from './promtool.ts'

const run = promisify(execFile)
const folder = fileURLToPath(new URL('../../../deploy/prometheus/', import.meta.url))

const promtool = await findPromtool()
const test = each.skipIf(promtool === undefined)

async function check(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(promtool ?? '', args)
  return stdout + stderr
}

test('Prometheus accepts its configuration, and finds the rules and the token that it names', async () => {
  // The paths are those in the container.
  const root = mkdtempSync(path.join(tmpdir(), 'prometheus-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  cpSync(folder, root, { recursive: true })
  const token = path.join(root, 'viewer-token')
  writeFileSync(token, 'a-token-of-a-viewer')
  const file = path.join(root, 'prometheus.yml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('/run/blockmill/viewer-token', token))
  expect(await check('check', 'config', file)).toContain('2 rule files found')
  rmSync(token)
  await expect(check('check', 'config', file)).rejects.toThrow('viewer-token')
})

test('the rules fire when they should, and are silent when they should be', async () => {
  expect(await check('test', 'rules', path.join(folder, 'tests/alerts.yml'))).toContain('SUCCESS')
})

test('the tests of the rules notice a rule that has changed', async () => {
  const root = mkdtempSync(path.join(tmpdir(), 'prometheus-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  cpSync(folder, root, { recursive: true })
  const file = path.join(root, 'rules/alerts.yml')
  const rules = readFileSync(file, 'utf8')
  writeFileSync(file, rules.replace('blockmill_dead_letters) > 0', 'blockmill_dead_letters) > 2'))
  await expect(check('test', 'rules', path.join(root, 'tests/alerts.yml'))).rejects.toThrow('BlockmillDeadLetters')
})

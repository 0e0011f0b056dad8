import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { onTestFinished, expect, test } from 'vitest'

import { findNpm } from './npm.mjs'

function createScript(name) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'npm-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, name)
  writeFileSync(file, '')
  return file
}

test('calls the npm that runs it', () => {
  const running = createScript('npm-cli.js')
  expect(findNpm({ npm_execpath: running })).toMatchObject({ command: process.execPath, args: [running] })
})

test('calls the npm in PATH when another package manager runs it', () => {
  expect(findNpm({ npm_execpath: createScript('pnpm.mjs') }).command).toMatch(/^npm/)
  expect(findNpm({}).command).toMatch(/^npm/)
})

test('calls the npm in PATH when the one that is named has gone', () => {
  expect(findNpm({ npm_execpath: '/nowhere/npm-cli.js' }).command).toMatch(/^npm/)
})

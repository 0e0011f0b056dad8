import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { onTestFinished, expect, test } from 'vitest'

import { findNode, removeAbandonedInstalls, toolsPath } from './toolchain.mjs'

function createRoot() {
  const root = mkdtempSync(path.join(os.tmpdir(), 'toolchain-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  return root
}

test('uses the running Node when it is new enough', () => {
  const running = { version: '24.0.0', execPath: '/usr/bin/node' }
  expect(findNode({ root: createRoot(), version: '24.21.0', running })).toBe('/usr/bin/node')
})

test('does not use a running Node that is too old', () => {
  const running = { version: '22.22.0', execPath: '/usr/bin/node' }
  expect(findNode({ root: createRoot(), version: '24.21.0', running })).toBeUndefined()
})

test('puts its own Node before everything else in PATH', () => {
  const found = toolsPath({ root: '/r', versions: { pnpm: '12.0.0' }, node: '/r/.tools/n/node', inherited: '/usr/bin' })
  const folders = found.split(path.delimiter)
  expect(folders[0]).toBe('/r/.tools/n')
  expect(folders.at(-1)).toBe('/usr/bin')
})

test('removes what interrupted installs left, and nothing that is whole', () => {
  const root = createRoot()
  for (const name of ['incomplete-node-24.21.0', 'node-24.21.0', 'pnpm-12.21.0']) {
    mkdirSync(path.join(root, '.tools', name, 'node_modules'), { recursive: true })
  }
  removeAbandonedInstalls(root)
  expect(readdirSync(path.join(root, '.tools')).sort()).toEqual(['node-24.21.0', 'pnpm-12.21.0'])
})

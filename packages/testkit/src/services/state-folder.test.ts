import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { beforeEach, expect, onTestFinished, test } from 'vitest'

import { findStateFolder, isEnterableByOthers, isRoot } from './state-folder.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'blockmill-test-'))
  chmodSync(root, 0o755)
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
})

test('is below the repository that holds the package', () => {
  writeFileSync(join(root, 'pnpm-workspace.yaml'), '')
  const nested = join(root, 'packages', 'testkit')
  mkdirSync(nested, { recursive: true })
  expect(findStateFolder(nested)).toBe(join(root, '.blockmill', 'services'))
  expect(statSync(join(root, '.blockmill', 'services')).isDirectory()).toBe(true)
})

test('is below the temporary folder when there is no repository', () => {
  expect(findStateFolder(root)).toMatch(new RegExp(`^${tmpdir()}/blockmill-\\d+/services$`))
})

test.skipIf(!isRoot())('is below the temporary folder when only root may enter the repository', () => {
  writeFileSync(join(root, 'pnpm-workspace.yaml'), '')
  chmodSync(root, 0o700)
  expect(findStateFolder(root)).toMatch(/blockmill-0\/services$/)
})

test('can be entered by others only when that holds for every folder above it', () => {
  const inner = join(root, 'outer', 'inner')
  mkdirSync(inner, { recursive: true, mode: 0o755 })
  expect(isEnterableByOthers(inner)).toBe(true)
  chmodSync(join(root, 'outer'), 0o700)
  expect(isEnterableByOthers(inner)).toBe(false)
  expect(isEnterableByOthers(root)).toBe(true)
})

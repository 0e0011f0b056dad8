import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import { onTestFinished, expect, test } from 'vitest'

import { isWorkspaceReady, workspaceFingerprint, workspaceFolders } from './workspace.mjs'

function createRepository() {
  const root = mkdtempSync(path.join(os.tmpdir(), 'workspace-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  for (const folder of ['packages/b', 'packages/a', 'packages/empty', 'bench', 'elsewhere/c']) {
    mkdirSync(path.join(root, folder), { recursive: true })
    if (folder !== 'packages/empty') writeFileSync(path.join(root, folder, 'package.json'), '{}')
  }
  writeFileSync(path.join(root, 'package.json'), '{}')
  writeFileSync(path.join(root, 'pnpm-lock.yaml'), 'lockfileVersion: 9\n')
  const patterns = "packages:\n  - packages/*\n  - 'bench'\n  - missing/*\n\ncatalog:\n  - elsewhere/c\n"
  writeFileSync(path.join(root, 'pnpm-workspace.yaml'), patterns)
  return root
}

test('finds the packages that the workspace file names, and no others', () => {
  expect(workspaceFolders(createRepository())).toEqual(['bench', 'packages/a', 'packages/b'])
})

test.each(['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'packages/a/package.json'])(
  'installs again when %s changes',
  (file) => {
    const root = createRepository()
    const before = workspaceFingerprint(root)
    expect(workspaceFingerprint(root)).toBe(before)
    appendFileSync(path.join(root, file), '\n')
    expect(workspaceFingerprint(root)).not.toBe(before)
  },
)

test('installs again when the libraries were deleted', () => {
  const root = createRepository()
  const stamp = path.join(root, 'node_modules', '.installed-for')
  mkdirSync(path.dirname(stamp))
  writeFileSync(stamp, workspaceFingerprint(root))
  expect(isWorkspaceReady(root)).toBe(true)
  rmSync(path.dirname(stamp), { recursive: true })
  expect(isWorkspaceReady(root)).toBe(false)
})

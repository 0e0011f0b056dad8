import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { nodeTool } from './step.mjs'

const TARBALLS = path.resolve('.blockmill', 'packages')

/** Builds every package, then packs each as it would be published. */
export function buildSteps() {
  const turbo = nodeTool('turbo', ['run', 'build', '--output-logs=errors-only', '--no-update-notifier'])
  return [{ name: 'build', ...turbo }]
}

/** Packs each package as it would be published. Needs the build. */
export function packSteps() {
  rmSync(TARBALLS, { recursive: true, force: true })
  mkdirSync(TARBALLS, { recursive: true })
  const args = [
    '--recursive',
    '--filter',
    './packages/*',
    '--filter',
    './apps/*',
    'pack',
    '--pack-destination',
    TARBALLS,
  ]
  return [{ name: 'pack', command: 'pnpm', args }]
}

/**
 * Checks what would be published: its files, its exports, its types, and that it works when installed; and the workspace
 * for what nobody uses.
 */
export function packageSteps() {
  const checks = readdirSync(TARBALLS).flatMap((tarball) => {
    const file = path.join(TARBALLS, tarball)
    return [
      { name: `publint ${tarball}`, ...nodeTool('publint', ['run', file, '--strict']) },
      {
        name: `types of ${tarball}`,
        ...nodeTool('@arethetypeswrong/cli', [file, '--profile', 'esm-only', '--no-definitely-typed'], 'attw'),
      },
    ]
  })
  const installed = {
    name: 'packages, installed',
    command: process.execPath,
    args: [path.join('scripts', 'commands', 'try-packages.mjs'), TARBALLS],
  }
  return [installed, { name: 'knip', ...nodeTool('knip', []) }, ...checks]
}

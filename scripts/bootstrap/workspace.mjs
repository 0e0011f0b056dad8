import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

import { runChild } from './child.mjs'
import { SetupError } from './setup-error.mjs'

/**
 * Whether the installed libraries are those that the repository's files ask for. Costs a few milliseconds.
 *
 * @param {string} root
 */
export function isWorkspaceReady(root) {
  const stamp = stampFile(root)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === workspaceFingerprint(root)
}

/**
 * Installs the libraries exactly as the lock file says, unless that was done already. One at a time: see `withLock`.
 *
 * @param {{ root: string, node: string, pnpm: { script?: string, command?: string }, env: NodeJS.ProcessEnv, say: (line: string) => void }} options
 */
export async function ensureWorkspace({ root, node, pnpm, env, say }) {
  if (isWorkspaceReady(root)) return
  say('Installing the libraries …')
  // No stamp while libraries change: whoever interrupts this gets a new install next time.
  rmSync(stampFile(root), { force: true })
  const args = ['install', '--frozen-lockfile', '--config.confirm-modules-purge=false']
  const [command, before] = pnpm.script === undefined ? ['pnpm', []] : [node, [pnpm.script]]
  const status = await runChild(command, [...before, ...args], {
    cwd: root,
    env,
    // Standard output belongs to the command that runs afterwards.
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32' && pnpm.script === undefined,
  })
  if (status !== 0) {
    throw new SetupError(`The libraries could not be installed (exit status ${status}).`, {
      tried: `pnpm ${args.join(' ')}`,
      advice:
        'read the lines above; check that the registry can be reached (npm ping) and that the disk has 2 GB to spare; then run this again. What is already there is kept.',
    })
  }
  writeFileSync(stampFile(root), workspaceFingerprint(root))
}

/**
 * Hash of everything that decides what gets installed: lock file, workspace file, each package's manifest, and the
 * platform.
 *
 * @param {string} root
 */
export function workspaceFingerprint(root) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\n`)
  const manifests = workspaceFolders(root).map((folder) => path.join(folder, 'package.json'))
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests]) {
    hash
      .update(`${file}\n`)
      .update(readFileSync(path.join(root, file)))
      .update('\n')
  }
  return hash.digest('hex')
}

/**
 * The workspace's packages, relative to the root and sorted. Understands the two patterns that the workspace file uses:
 * a folder, and `folder/*`.
 *
 * @param {string} root
 * @returns {string[]}
 */
export function workspaceFolders(root) {
  const text = readFileSync(path.join(root, 'pnpm-workspace.yaml'), 'utf8')
  const [, list = ''] = /^packages:\n((?:[ \t]+-[^\n]*\n)*)/m.exec(text) ?? []
  const patterns = [...list.matchAll(/-\s*['"]?([^'"\s]+)['"]?/g)].map((match) => match[1])
  const folders = patterns.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern]
    const parent = pattern.slice(0, -2)
    if (!existsSync(path.join(root, parent))) return []
    return readdirSync(path.join(root, parent)).map((name) => `${parent}/${name}`)
  })
  return folders
    .filter((folder) => existsSync(path.join(root, folder, 'package.json')))
    .sort((a, b) => (a < b ? -1 : 1))
}

/** Inside `node_modules`, so that whoever deletes the libraries deletes the claim that they are there. */
function stampFile(root) {
  return path.join(root, 'node_modules', '.installed-for')
}

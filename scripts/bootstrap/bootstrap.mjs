import path from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

import { runChild } from './child.mjs'
import { withLock } from './lock.mjs'
import { SetupError } from './setup-error.mjs'
import { ensureNode, ensurePnpm, findNode, removeAbandonedInstalls, toolsFolder, toolsPath } from './toolchain.mjs'
import { readVersions } from './versions.mjs'
import { ensureWorkspace, isWorkspaceReady } from './workspace.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Progress goes to standard error, so that a command's own output can be piped. */
function say(line) {
  process.stderr.write(`${line}\n`)
}

/**
 * Makes the repository ready, then runs `scripts/commands/main.mjs <args>` under the right Node. `pnpm <args>` runs the
 * pinned pnpm instead, and before any install, because it is how the lock file is changed.
 *
 * @param {readonly string[]} args the command and its arguments
 * @returns {Promise<number>} the exit status to end with
 */
export async function bootstrap(args) {
  try {
    const [command, ...rest] = args
    if (command === 'pnpm') return await runPnpm(rest)
    const env = await prepare()
    const main = path.join(ROOT, 'scripts', 'commands', 'main.mjs')
    // The caller's folder is kept in INIT_CWD by npm; commands themselves always run at the root.
    return await runChild(env.node, [main, ...args], { cwd: ROOT, env: env.variables })
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
    return 1
  }
}

async function runPnpm(args) {
  const versions = readVersions(ROOT)
  const { node, pnpm } = await locked(() => installTools(versions))
  const [program, before] = pnpm.script === undefined ? ['pnpm', []] : [node, [pnpm.script]]
  return runChild(program, [...before, ...args], { cwd: ROOT, env: variablesFor(versions, node) })
}

async function prepare() {
  const versions = readVersions(ROOT)
  let node = findNode({ root: ROOT, version: versions.node })
  if (node === undefined || !isWorkspaceReady(ROOT)) {
    node = await locked(async () => {
      const tools = await installTools(versions)
      await ensureWorkspace({ root: ROOT, say, ...tools, env: variablesFor(versions, tools.node) })
      return tools.node
    })
  }
  return { node, variables: variablesFor(versions, node) }
}

function locked(action) {
  const file = path.join(toolsFolder(ROOT), 'setup.lock')
  // The number may by now be that of a process that has nothing to do with this: only a person can tell.
  const onWait = (owner) =>
    say(`Another set-up is at work here (process ${owner}); waiting for it … If that is something else, delete ${file}`)
  return withLock(file, { onWait }, action)
}

async function installTools(versions) {
  removeAbandonedInstalls(ROOT)
  const [node, pnpm] = await Promise.all([
    ensureNode({ root: ROOT, version: versions.node, say }),
    ensurePnpm({ root: ROOT, version: versions.pnpm, say }),
  ])
  return { node, pnpm }
}

function variablesFor(versions, node) {
  // turbo reports its use over the network otherwise.
  return { ...process.env, TURBO_TELEMETRY_DISABLED: '1', PATH: toolsPath({ root: ROOT, versions, node }) }
}

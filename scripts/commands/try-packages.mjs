// Installs the packed packages into a folder of its own, as a user would, and runs what they are for: proof that nothing
// depends on this repository or on its sources.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

const [tarballs = ''] = process.argv.slice(2)
const folder = mkdtempSync(path.join(os.tmpdir(), 'blockmill-packages-'))
const dependencies = Object.fromEntries(
  readdirSync(tarballs).map((file) => [packageName(file), `file:${path.join(tarballs, file)}`]),
)
const names = Object.keys(dependencies)

try {
  writeJson('package.json', { name: 'try-packages', private: true, type: 'module', dependencies })
  // Among each other, too, they are what was packed: nothing of these names is looked for in a registry.
  writeJson('pnpm-workspace.yaml', { overrides: dependencies, packages: ['.'] })
  run('pnpm', ['install', '--prefer-offline', '--ignore-scripts', '--config.strict-dep-builds=false'])
  for (const name of names) run(process.execPath, ['--input-type=module', '--eval', `await import('${name}')`])

  const command = path.join(folder, 'node_modules', '.bin', 'blockmill')
  const listed = run(command, ['tasks', 'list', '--json', '--tasks', '@blockmill/example'])
  const tasks = JSON.parse(listed)
  if (tasks.length === 0) throw new Error('The installed example has no tasks.')
  process.stdout.write(`${names.length} packages installed; ${tasks.length} tasks found by the installed command.\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function packageName(tarball) {
  const [, scope, name] = /^([a-z]+)-(.+)-\d+\.\d+\.\d+.*\.tgz$/.exec(tarball)
  return `@${scope}/${name}`
}

/** YAML is a superset of JSON. */
function writeJson(file, content) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, file), JSON.stringify(content, undefined, 2))
}

function run(program, args) {
  return execFileSync(program, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

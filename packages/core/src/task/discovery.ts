import { glob, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { ConfigurationError } from '../errors/blockmill-error.ts'
import { type AnyRangeTaskDefinition, isRangeTaskDefinition } from './define-range-task.ts'
import { type AnyTaskDefinition, isTaskDefinition } from './define-task.ts'
import { createTaskRegistry, type TaskRegistry } from './registry.ts'

/** Modules of a tasks package that are searched for tasks, below its `src` (or `dist` when there is no `src`). */
const TASK_MODULES = '**/{tasks,block-tasks}.{ts,js,mts,mjs}'
const TASK_FOLDER_MODULES = '**/tasks/**/*.{ts,js,mts,mjs}'
/** Where the folder that is searched is itself named so. */
const ALL_MODULES = '**/*.{ts,js,mts,mjs}'

/**
 * Finds every task of the tasks packages: all exports made by `defineTask` or `defineRangeTask` of the modules that match
 * `tasks.ts`, `block-tasks.ts` or `tasks/**`, below the package's `src` (or `dist`), or in a folder that is itself named `tasks`.
 *
 * @param sources package names, or paths of packages, folders or single modules.
 * @param from where names and relative paths are resolved; default the working directory.
 * @throws ConfigurationError `TASK_MODULE_FAILED` naming the module that could not be found or imported, or the source that
 * has no task; `TASK_NAME_TAKEN` naming both files of a doubled name.
 */
export async function discoverTasks(sources: readonly string[], from: string = process.cwd()): Promise<TaskRegistry> {
  const found: { definition: AnyTaskDefinition | AnyRangeTaskDefinition; file: string }[] = []
  for (const source of sources) {
    const before = found.length
    for (const file of await taskModules(source, from)) {
      for (const definition of await definitionsIn(file)) {
        found.push({ definition, file: relative(from, file) })
      }
    }
    if (found.length === before) throw noTasks(source, from)
  }
  return createTaskRegistry(found)
}

async function taskModules(source: string, from: string): Promise<string[]> {
  const location = locate(source, from)
  const stats = await stat(location).catch(() => undefined)
  if (stats === undefined) {
    throw new ConfigurationError(
      'TASK_MODULE_FAILED',
      `Tasks package '${source}' was not found at ${location}. Give the name of an installed package, or a path from ${from}.`,
    )
  }
  if (stats.isFile()) return [location]
  const root = await sourceFolder(location)
  const files = new Set<string>()
  const patterns = basename(root) === 'tasks' ? [ALL_MODULES] : [TASK_MODULES, TASK_FOLDER_MODULES]
  for (const pattern of patterns) {
    for await (const file of glob(pattern, { cwd: root, exclude: (name) => name === 'node_modules' })) {
      if (!/\.(test|spec|d)\.[a-z]+$/.test(file)) files.add(join(root, file))
    }
  }
  return [...files].sort()
}

// A scheduler without tasks would look healthy and do nothing.
function noTasks(source: string, from: string): ConfigurationError {
  return new ConfigurationError(
    'TASK_MODULE_FAILED',
    `Tasks package '${source}' has no task, looked at from ${from}. Export what defineTask or defineRangeTask returns from a module named tasks.ts or block-tasks.ts, or from one in a folder named tasks, below src.`,
  )
}

function locate(source: string, from: string): string {
  if (source.startsWith('.') || isAbsolute(source)) return resolve(from, source)
  if (source.startsWith('file:')) return fileURLToPath(source)
  try {
    // Resolved as a module of the package would be, then up to the folder that holds its package.json.
    const entry = createRequire(join(from, 'noop.js')).resolve(source)
    return packageFolder(entry, source)
  } catch {
    // Not a package that can be resolved from here: take it for a path, so that the error shows where it was looked for.
    return resolve(from, source)
  }
}

function packageFolder(entry: string, name: string): string {
  let folder = dirname(entry)
  while (dirname(folder) !== folder) {
    try {
      const manifest = createRequire(entry)(join(folder, 'package.json')) as { name?: string }
      if (manifest.name === name) return folder
    } catch {
      // No package.json here, or one that cannot be read: the package's own is further up.
    }
    folder = dirname(folder)
  }
  return dirname(entry)
}

async function sourceFolder(root: string): Promise<string> {
  for (const name of ['src', 'dist']) {
    const folder = join(root, name)
    if (
      await stat(folder).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      return folder
  }
  return root
}

async function definitionsIn(file: string): Promise<(AnyTaskDefinition | AnyRangeTaskDefinition)[]> {
  try {
    const module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
    return Object.values(module).filter((value) => isTaskDefinition(value) || isRangeTaskDefinition(value))
  } catch (error) {
    const reason = error instanceof Error ? error.message : `it threw ${inspect(error)}, which is not an Error`
    throw new ConfigurationError(
      'TASK_MODULE_FAILED',
      `Task module ${file}${positionIn(file, error)} could not be imported: ${reason}`,
      { cause: error },
    )
  }
}

/** The place in the module that an error came from or went through, as `:line:column`; empty where its stack names none. */
function positionIn(file: string, error: unknown): string {
  const stack = error instanceof Error ? String(error.stack) : ''
  for (const name of [pathToFileURL(file).href, file]) {
    const line = stack.split('\n').find((one) => one.includes(`${name}:`))
    const [position] = /^(:\d+)+/.exec(line?.split(name, 2)[1] ?? '') ?? []
    if (position !== undefined) return position
  }
  return ''
}

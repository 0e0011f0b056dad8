import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseEnv } from 'node:util'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { Settings } from './define-settings.ts'
import { KNOWN_KEYS } from './known-keys.ts'
import { type ConfigSource, type ResolvedConfig, resolveConfig } from './resolve-config.ts'

/** Names of the configuration file, in the order in which they are looked for. */
const CONFIG_FILES = ['blockmill.config.ts', 'blockmill.config.js', 'blockmill.config.mjs']

export interface LoadConfigOptions {
  /** Settings by key from the command line; those that are `undefined` were not given. */
  readonly commandLine?: Readonly<Record<string, string | undefined>>
  /** Default the environment of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Where `.env` and the configuration file are looked for. Default the working directory. */
  readonly folder?: string
}

/**
 * The configuration of a service, with where each value came from. Precedence: command line, environment, `.env`,
 * configuration file, defaults. The file is `blockmill.config.ts` (or `.js`, `.mjs`), or what `BLOCKMILL_CONFIG` names; it
 * exports an object by default whose keys are those of the environment.
 *
 * @throws ConfigurationError `CONFIG_INVALID` with every problem at once, or naming the file that could not be read.
 */
export async function loadConfig<Given extends Settings>(
  settings: Given,
  { commandLine = {}, environment = process.env, folder = process.cwd() }: LoadConfigOptions = {},
): Promise<ResolvedConfig<Given>> {
  const texts: ConfigSource[] = [
    { name: 'command line', values: commandLine, owns: 'keys that begin with BLOCKMILL_' },
    { name: 'environment', values: environment, owns: 'keys that begin with BLOCKMILL_' },
    { name: '.env', values: await readDotEnv(path.join(folder, '.env')), owns: 'keys that begin with BLOCKMILL_' },
  ]
  const named = texts
    .map(({ values }) => values['BLOCKMILL_CONFIG'])
    .find((value) => value !== undefined && value !== '')
  const file = await readConfigFile(folder, typeof named === 'string' ? named : undefined)
  return resolveConfig(settings, file === undefined ? texts : [...texts, file], KNOWN_KEYS)
}

async function readDotEnv(file: string): Promise<Record<string, string | undefined>> {
  try {
    return parseEnv(await readFile(file, 'utf8'))
  } catch (error) {
    // Most installations have none.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw unreadable(file, error)
  }
}

async function readConfigFile(folder: string, named: string | undefined): Promise<ConfigSource | undefined> {
  const file = named === undefined ? await findConfigFile(folder) : path.resolve(folder, named)
  if (file === undefined) return undefined
  const values = await importObject(file)
  return { name: path.basename(file), values, owns: 'all keys' }
}

async function findConfigFile(folder: string): Promise<string | undefined> {
  for (const name of CONFIG_FILES) {
    const file = path.join(folder, name)
    const found = await stat(file).catch(() => undefined)
    if (found?.isFile() === true) return file
  }
  return undefined
}

async function importObject(file: string): Promise<Record<string, unknown>> {
  let module: { readonly default?: unknown }
  try {
    module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown }
  } catch (error) {
    throw unreadable(file, error)
  }
  const values = module.default
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) return { ...values }
  throw new ConfigurationError(
    'CONFIG_INVALID',
    `${file} must export an object by default, such as: export default { BLOCKMILL_CONCURRENCY: 20 }`,
  )
}

function unreadable(file: string, error: unknown): ConfigurationError {
  const reason = error instanceof Error ? error.message : String(error)
  return new ConfigurationError('CONFIG_INVALID', `${file} could not be read: ${reason}`, { cause: error })
}

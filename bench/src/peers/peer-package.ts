import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** A package of another system, as it was found. */
export interface PeerPackage<Exports> {
  readonly version: string
  readonly exports: Exports
}

/**
 * Loads a package from the `node_modules` of another folder than ours.
 *
 * @returns `undefined` when it is not there.
 */
export function loadPeerPackage<Exports>(folder: string, name: string): PeerPackage<Exports> | undefined {
  const manifest = path.resolve(folder, 'node_modules', name, 'package.json')
  if (!existsSync(manifest)) return undefined
  // Not all packages let their package.json be imported.
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  return { version, exports: createRequire(manifest)(path.dirname(manifest)) as Exports }
}

/** How to install it. */
export function missingPackage(folder: string, name: string): string {
  return `${name} is not installed in ${path.resolve(folder)}; mkdir peers && cd peers && npm init -y && npm install ${name}, then --peers <that folder>`
}

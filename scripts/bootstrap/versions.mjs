import { readFileSync } from 'node:fs'
import path from 'node:path'

/** Oldest Node that runs the source as it is. An older one is replaced by the pinned version. */
export const MINIMUM_NODE_MAJOR = 24

/**
 * The pinned versions of Node and pnpm. Both live in the root `package.json`: `config.node` and `packageManager`.
 *
 * @param {string} root
 * @returns {{ node: string, pnpm: string }}
 */
export function readVersions(root) {
  const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const [, pnpm] = /^pnpm@(\d+\.\d+\.\d+)/.exec(manifest.packageManager) ?? []
  if (pnpm === undefined) throw new Error(`package.json: packageManager is not pnpm@x.y.z: ${manifest.packageManager}`)
  return { node: manifest.config.node, pnpm }
}

/**
 * Whether a version satisfies `^wanted`: the same major, and not older.
 *
 * @param {string} version
 * @param {string} wanted
 */
export function isCompatible(version, wanted) {
  const has = version.trim().split('.').map(Number)
  const needs = wanted.split('.').map(Number)
  if (has.length !== 3 || has.some(Number.isNaN) || has[0] !== needs[0]) return false
  const firstDifference = has.findIndex((part, index) => part !== needs[index])
  return firstDifference === -1 || has[firstDifference] > needs[firstDifference]
}

import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const FOLDER = fileURLToPath(new URL('../../../.blockmill/promtool/', import.meta.url))
const KEPT = path.join(FOLDER, 'promtool')
/** Without a network, apt tries again and again. */
const DOWNLOAD_WITHIN_MS = 120_000

/**
 * Where Prometheus's checker is: on the search path, or taken out of Debian's package `prometheus`, which is downloaded
 * once and not installed.
 *
 * @returns `undefined` when neither can be had here, after saying so.
 */
export async function findPromtool(): Promise<string | undefined> {
  for (const known of ['promtool', KEPT]) {
    if (await answers(known)) return known
  }
  try {
    await takeFromPackage()
    if (await answers(KEPT)) return KEPT
  } catch (error) {
    process.stderr.write(`promtool is not here, and Debian's package prometheus could not be had: ${String(error)}\n`)
    return undefined
  }
  process.stderr.write("promtool is not here, and the one of Debian's package prometheus does not run.\n")
  return undefined
}

async function answers(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  )
}

async function takeFromPackage(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true })
  const folder = mkdtempSync(path.join(FOLDER, 'package-'))
  try {
    await run('apt-get', ['download', '-q', 'prometheus'], { cwd: folder, timeout: DOWNLOAD_WITHIN_MS })
    const [file = ''] = globSync('prometheus_*.deb', { cwd: folder })
    await run('dpkg-deb', ['--extract', file, 'files'], { cwd: folder })
    // At once, so that another run never sees half of it.
    if (!existsSync(KEPT)) renameSync(path.join(folder, 'files', 'usr', 'bin', 'promtool'), KEPT)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'

/**
 * How npm is called: the one that runs this script, else the one beside this Node or in PATH. Which registry it talks to,
 * through which proxy and with which credentials is the business of the user's own npm configuration.
 *
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ command: string, args: string[], shell: boolean }}
 */
export function findNpm(env = process.env) {
  const running = env.npm_execpath
  // pnpm, yarn and npx set the variable too, to their own entry.
  if (running !== undefined && path.basename(running) === 'npm-cli.js' && existsSync(running)) {
    return { command: process.execPath, args: [running], shell: false }
  }
  const isWindows = process.platform === 'win32'
  return { command: isWindows ? 'npm.cmd' : 'npm', args: [], shell: isWindows }
}

/**
 * Arguments that install packages into a folder of their own, without scripts, lock file or other packages' leave.
 *
 * @param {string} folder
 * @param {readonly string[]} packages
 */
export function npmInstallArgs(folder, packages) {
  return [
    'install',
    '--prefix',
    folder,
    '--location=project',
    '--no-save',
    '--no-package-lock',
    '--ignore-scripts',
    '--include=optional',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...packages,
  ]
}

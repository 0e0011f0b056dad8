import { spawn, spawnSync } from 'node:child_process'
import os from 'node:os'
import process from 'node:process'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * One Ctrl-C reaches this process more than once: from the terminal, and again from npm, which passes it on. What comes
 * within this time is the same key press, and is passed on once.
 */
const SAME_SIGNAL_MS = 500

/**
 * Runs a program in the foreground, passes signals on to it, and resolves with its exit status: 128 + n when signal n
 * ended it, as shells do.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<number>}
 */
export function runChild(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options })
    const lastSeen = new Map()
    const forward = (signal) => {
      const now = Date.now()
      const repeated = now - (lastSeen.get(signal) ?? -Infinity) < SAME_SIGNAL_MS
      if (!repeated) lastSeen.set(signal, now)
      if (!repeated) child.kill(signal)
    }
    for (const signal of FORWARDED) process.on(signal, forward)
    const settle = (action) => {
      for (const signal of FORWARDED) process.removeListener(signal, forward)
      action()
    }
    child.once('error', (error) => settle(() => reject(error)))
    child.once('close', (code, signal) => settle(() => resolve(exitStatus(code, signal))))
  })
}

/**
 * Runs a program to its end and keeps what it prints.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ status: number, output: string }>} `status` 127 when it could not be started
 */
export function captureChild(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk) => {
      output += chunk
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', (error) => resolve({ status: 127, output: error.message }))
    child.once('close', (code, signal) => resolve({ status: exitStatus(code, signal), output }))
  })
}

/**
 * First line of what a quick program prints, `undefined` when it cannot be run.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} [options]
 */
export function firstLineOf(command, args, options = {}) {
  const { status, stdout } = spawnSync(command, args, { timeout: 10_000, encoding: 'utf8', ...options })
  return status === 0 ? String(stdout).split('\n')[0]?.trim() : undefined
}

/**
 * @param {number | null} code
 * @param {string | null} signal
 */
function exitStatus(code, signal) {
  return signal === null ? (code ?? 1) : 128 + os.constants.signals[signal]
}

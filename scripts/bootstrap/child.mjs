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
 * How often to look whether the parent is still there. npm runs scripts through a shell, and a signal to npm ends that
 * shell alone: its end is all that is seen of it here.
 */
const PARENT_POLL_MS = 300

/**
 * Runs a program in the foreground, passes signals on to it, and resolves with its exit status: 128 + n when signal n
 * ended it, as shells do. When a package manager started this process, the end of the parent counts as SIGTERM.
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
    const stopWatching = onParentEnd(() => forward('SIGTERM'))
    const settle = (action) => {
      stopWatching()
      for (const signal of FORWARDED) process.removeListener(signal, forward)
      action()
    }
    child.once('error', (error) => settle(() => reject(error)))
    child.once('close', (code, signal) => settle(() => resolve(exitStatus(code, signal))))
  })
}

/**
 * Calls back once when the parent has ended. Only below a package manager's script: whoever starts this in the background
 * and leaves wants it to go on.
 *
 * @param {() => void} onEnd
 * @returns {() => void} stops looking
 */
function onParentEnd(onEnd) {
  if (process.env.npm_lifecycle_event === undefined) return () => {}
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    onEnd()
  }, PARENT_POLL_MS)
  return () => clearInterval(timer)
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

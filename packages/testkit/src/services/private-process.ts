import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { type ProcessIdentity, processStartTime } from './process-identity.ts'

/** How to start a private process. */
export interface PrivateProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  readonly cwd: string
  /** Standard output and error are appended to this file. */
  readonly logFile: string
  /** Run as this user instead of the current one; only root can. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/** A process of a service that this process started, in a session of its own: Ctrl-C in the terminal does not reach it. */
export interface PrivateProcess {
  readonly identity: ProcessIdentity
  isRunning(): boolean
  /** Sends a signal; nothing happens when the process has ended. */
  signal(signal: NodeJS.Signals): void
  /** Sends a signal and waits for the end; SIGKILL follows after `graceMs`. */
  end(signal: NodeJS.Signals, graceMs?: number): Promise<void>
  /** The last lines of its output, for error messages. */
  logTail(): string
}

const DEFAULT_GRACE_MS = 10_000
const TAIL_LINES = 15

/**
 * Starts a process. It does not keep the event loop alive. The caller records its identity before it does anything else,
 * so that a crash leaves nothing unrecorded behind.
 * @throws what the system says when the command cannot be run.
 */
export async function startPrivateProcess(options: PrivateProcessOptions): Promise<PrivateProcess> {
  const logFile = openSync(options.logFile, 'a', 0o600)
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.environment,
    stdio: ['ignore', logFile, logFile],
    detached: true,
    ...options.user,
  })
  closeSync(logFile)
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
  })
  const { pid } = child
  if (pid === undefined) {
    const [error] = await once(child, 'error')
    throw error
  }
  child.unref()
  const identity = { pid, startTime: processStartTime(pid) ?? '' }

  const isRunning = () => child.exitCode === null && child.signalCode === null
  return {
    identity,
    isRunning,
    signal(signal) {
      child.kill(signal)
    },
    async end(signal, graceMs = DEFAULT_GRACE_MS) {
      if (!isRunning()) return
      child.ref()
      child.kill(signal)
      const timer = new AbortController()
      const grace = delay(graceMs, 'late', { signal: timer.signal }).catch(() => undefined)
      if ((await Promise.race([ended, grace])) === 'late') child.kill('SIGKILL')
      timer.abort()
      await ended
    },
    logTail: () => readFileSync(options.logFile, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n'),
  }
}

import { setTimeout as delay } from 'node:timers/promises'

import { childProcesses, isRunning, type ProcessIdentity } from './process-identity.ts'

const GRACE_MS = 10_000
const POLL_MS = 20

/** Signals exactly this process; false when it does not run, whoever has its pid by now. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false
  try {
    return process.kill(identity.pid, signal)
  } catch {
    // It ended between the question and the signal.
    return false
  }
}

/** Signals a process, waits for its end, and sends SIGKILL when that takes too long. */
export async function endProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (!signalProcess(identity, signal)) return
  if (await hasEnded(identity)) return
  signalProcess(identity, 'SIGKILL')
  await hasEnded(identity)
}

/** Ends a process and its children by SIGKILL, all at once, as a machine that fails does. */
export async function killWithChildren(identity: ProcessIdentity): Promise<void> {
  // Stopped first, so that it starts no child that the list would miss.
  signalProcess(identity, 'SIGSTOP')
  const all = [identity, ...childProcesses(identity.pid)]
  for (const each of all) signalProcess(each, 'SIGKILL')
  await Promise.all(all.map(hasEnded))
}

async function hasEnded(identity: ProcessIdentity): Promise<boolean> {
  const deadline = Date.now() + GRACE_MS
  while (isRunning(identity)) {
    if (Date.now() >= deadline) return false
    await delay(POLL_MS)
  }
  return true
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

import { onTestFinished } from 'vitest'

import type { DoomedSettings } from './fixtures/doomed-settings.ts'

/** Starts a scheduler process that is killed where its settings say, or runs until its test has finished. */
export function startDoomedScheduler(settings: DoomedSettings): ChildProcess {
  const file = fileURLToPath(new URL('fixtures/doomed-scheduler.ts', import.meta.url))
  const child = fork(file, [JSON.stringify(settings)])
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  return child
}

/** The signal that a process ended by, or its exit status. */
export async function endOf(child: ChildProcess): Promise<string | number> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal ?? code ?? 'unknown'
}

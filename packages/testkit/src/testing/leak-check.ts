import { afterAll, beforeAll } from 'vitest'

import { waitFor } from './wait-for.ts'

/** What keeps a process alive and must be closed: sockets, servers, child processes, file watchers, timers. */
const CHECKED_RESOURCES = ['TCPSocketWrap', 'TCPServerWrap', 'PipeServerWrap', 'ProcessWrap', 'FSEventWrap', 'Timeout']

/** Sockets and processes take a moment to close after the call that closes them returns; a longer one on a busy machine. */
const CLOSING_MS = 10_000

/**
 * Fails a test file that leaves sockets, servers, child processes or timers open. As a vitest set-up file's hook it is
 * registered before the file's own hooks and so runs after all of them.
 */
export function failOnLeaks(): void {
  let before: readonly string[] = []
  beforeAll(() => {
    before = openResources()
  })
  afterAll(async () => {
    await waitFor(
      () => {
        const left = leakedResources(before, openResources())
        if (left.length > 0) throw new Error(`still open: ${left.join(', ')}`)
        return true
      },
      { describe: 'the tests of this file to close what they opened', timeoutMs: CLOSING_MS },
    )
  })
}

/** The kinds of what is open in this process now, one entry for each. */
export function openResources(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => CHECKED_RESOURCES.includes(kind))
}

/** What is open after but was not before: `['2 TCPSocketWrap']`. */
export function leakedResources(before: readonly string[], after: readonly string[]): string[] {
  const count = (all: readonly string[], kind: string) => all.filter((each) => each === kind).length
  return [...new Set(after)]
    .map((kind) => ({ kind, more: count(after, kind) - count(before, kind) }))
    .filter(({ more }) => more > 0)
    .map(({ kind, more }) => `${more} ${kind}`)
}

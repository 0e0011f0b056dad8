import { afterAll, beforeAll } from 'vitest'

import { waitFor } from './wait-for.ts'

/** Kinds of resources that keep a process alive and that a test must have closed: sockets, servers, child processes, workers. */
const CHECKED_RESOURCES = [
  'TCPSocketWrap',
  'TCPServerWrap',
  'PipeServerWrap',
  'ProcessWrap',
  'FSEventWrap',
  'Timeout',
  'Immediate',
]

/** Sockets and processes take a moment to close after the call that closes them returns. */
const CLOSING_MS = 2_000

/**
 * Fails a test file that leaves sockets, servers, child processes or timers open. As a vitest set-up file's hook it is
 * registered before the file's own hooks and so runs after all of them.
 */
export function failOnLeaks(): void {
  let before = new Map<string, number>()
  beforeAll(() => {
    before = countResources()
  })
  afterAll(async () => {
    await waitFor(
      () => {
        const left = describeNew(before, countResources())
        if (left.length > 0) throw new Error(`still open: ${left.join(', ')}`)
        return true
      },
      { describe: 'the tests of this file to close what they opened', timeoutMs: CLOSING_MS },
    )
  })
}

function countResources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (CHECKED_RESOURCES.includes(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

function describeNew(before: Map<string, number>, after: Map<string, number>): string[] {
  return [...after]
    .map(([kind, count]) => ({ kind, more: count - (before.get(kind) ?? 0) }))
    .filter(({ more }) => more > 0)
    .map(({ kind, more }) => `${more} ${kind}`)
}

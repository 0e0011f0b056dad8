import getPort from 'get-port'

const LOOPBACK = '127.0.0.1'

/** Takes free loopback ports, all different. Another process may still be quicker to bind one: see `retryPortConflicts`. */
export async function takeFreePorts<const Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const entries: [Name, number][] = []
  // One after the other: get-port locks what it returned, so later calls get other ports.
  for (const name of names) entries.push([name, await getPort({ host: LOOPBACK })])
  return Object.fromEntries(entries) as Record<Name, number>
}

const MAX_STARTS = 3

/** Starts again, up to three times in all, while the start fails because somebody else took one of its ports. */
export async function retryPortConflicts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start()
    } catch (error) {
      const isConflict = error instanceof Error && /address already in use|eaddrinuse/i.test(error.message)
      if (!isConflict || attempt >= MAX_STARTS) throw error
    }
  }
}

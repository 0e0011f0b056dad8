import getPort from 'get-port'

const LOOPBACK = '127.0.0.1'

/** Takes free loopback ports, all different. Another process may still be quicker to bind one: callers try again. */
export async function takeFreePorts<const Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const entries: [Name, number][] = []
  // One after the other: get-port locks what it returned, so later calls get other ports.
  for (const name of names) entries.push([name, await getPort({ host: LOOPBACK })])
  return Object.fromEntries(entries) as Record<Name, number>
}

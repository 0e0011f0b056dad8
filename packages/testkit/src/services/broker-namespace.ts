import { callManagement } from './management-api.ts'

/**
 * Deletes all queues and exchanges whose names start with `<namespace>.`, which is what a `createTopology({ namespace })`
 * declares.
 */
export async function removeBrokerNamespace(
  managementUrl: string,
  brokerUrl: string,
  namespace: string,
): Promise<void> {
  const vhost = encodeURIComponent(vhostOf(brokerUrl))
  for (const kind of ['queues', 'exchanges']) {
    const found = (await callManagement(managementUrl, 'GET', `/${kind}/${vhost}?columns=name`)) as NamedObject[]
    const ours = found.filter(({ name }) => name.startsWith(`${namespace}.`))
    await Promise.all(
      ours.map(({ name }) => callManagement(managementUrl, 'DELETE', `/${kind}/${vhost}/${encodeURIComponent(name)}`)),
    )
  }
}

interface NamedObject {
  readonly name: string
}

/** The virtual host of an AMQP URL: its path without the slash; `/` when there is no path. */
function vhostOf(brokerUrl: string): string {
  const path = new URL(brokerUrl).pathname
  return path.length <= 1 ? '/' : decodeURIComponent(path.slice(1))
}

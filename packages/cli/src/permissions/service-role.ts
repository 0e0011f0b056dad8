/**
 * Who gets a user on the broker, and a role in the database, of its own.
 *
 * | role | is |
 * | --- | --- |
 * | `scheduler`, `worker`, `monitor` | the service of this name |
 * | `operator` | a person with the `blockmill` command |
 * | `producer` | another program that enqueues tasks, by the library or by an AMQP client of its own |
 */
export const SERVICE_ROLES = ['scheduler', 'worker', 'monitor', 'operator', 'producer'] as const
export type ServiceRole = (typeof SERVICE_ROLES)[number]

/** The name of its user and of its role: `blockmill_worker`. */
export function accountName(namespace: string, role: ServiceRole): string {
  return `${namespace}_${role}`
}

import { assertTopology, ConfigurationError, parseBrokerUrl, redactUrl, type Topology } from '@blockmill/core'

import type { AccountPasswords } from './account-passwords.ts'
import { type BrokerPermissions, brokerPermissions } from './broker-permissions.ts'
import { brokerPasswordHash } from './password-hash.ts'
import { accountName, SERVICE_ROLES, type ServiceRole } from './service-role.ts'

/** One user as it is now, and its password when it was set. */
export interface BrokerUser {
  readonly role: ServiceRole
  readonly name: string
  readonly permissions: BrokerPermissions
  readonly password: string | undefined
}

export interface BrokerAccountsOptions {
  /** AMQP URL of a user who may declare everything. Its virtual host is made when there is none. */
  readonly url: string
  /** Base URL of the management HTTP API with user and password of an administrator. */
  readonly managementUrl: string
  readonly topology: Topology
  readonly passwords: AccountPasswords
}

/**
 * Makes or updates a user of the broker for each role, with the least permissions, and declares what belongs to the monitor, so
 * that services may start in any order. May be run again.
 *
 * @returns each user as soon as it is made: should a later one fail, its password is not lost.
 * @throws ConfigurationError `BROKER_REFUSED` when the management API cannot be used, and what `assertTopology` throws.
 */
export async function* setUpBrokerUsers(options: BrokerAccountsOptions): AsyncGenerator<BrokerUser> {
  const { url, topology, passwords } = options
  const { virtualHost } = parseBrokerUrl(url)
  const vhost = encodeURIComponent(virtualHost)
  const call = await managementCaller(options.managementUrl)
  if ((await call('GET', `/vhosts/${vhost}`)) === undefined) await call('PUT', `/vhosts/${vhost}`)
  await assertTopology(url, topology)

  for (const user of plannedBrokerUsers(topology)) {
    const path = `/users/${encodeURIComponent(user.name)}`
    const password = passwords.of(user.role, (await call('GET', path)) !== undefined)
    if (password !== undefined) await call('PUT', path, { password_hash: brokerPasswordHash(password), tags: '' })
    await call('PUT', `/permissions/${vhost}/${encodeURIComponent(user.name)}`, user.permissions)
    yield { ...user, password }
  }
}

/** The users that there are to be. */
export function plannedBrokerUsers(topology: Topology): readonly Omit<BrokerUser, 'password'>[] {
  const permissions = brokerPermissions(topology)
  return SERVICE_ROLES.map((role) => ({
    role,
    name: accountName(topology.namespace, role),
    permissions: permissions[role],
  }))
}

type ManagementCall = (method: 'GET' | 'PUT', path: string, body?: object) => Promise<unknown>

async function managementCaller(url: string): Promise<ManagementCall> {
  // Loaded when it is needed: no service has a use for it.
  const { callManagement } = await import('@blockmill/testkit')
  return async (method, path, body = method === 'PUT' ? {} : undefined) => {
    try {
      return await callManagement(url, method, path, body)
    } catch (cause) {
      const why = cause instanceof Error ? describe(cause) : String(cause)
      throw new ConfigurationError(
        'BROKER_REFUSED',
        `RabbitMQ's management API at ${redactUrl(url)} cannot be used: ${why} Its plugin rabbitmq_management must be enabled, RABBITMQ_MANAGEMENT_URL lead to it, and its user have the tag administrator.`,
        { cause },
      )
    }
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `${error.message}${cause}.`
}

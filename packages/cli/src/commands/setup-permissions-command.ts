import {
  ConfigurationError,
  createTopology,
  type Database,
  loadConfig,
  parseBrokerUrl,
  type Topology,
} from '@blockmill/core'
import type { Command } from 'commander'

import { createAccountPasswords, passwordSettings } from '../permissions/account-passwords.ts'
import { type BrokerUser, plannedBrokerUsers, setUpBrokerUsers } from '../permissions/broker-accounts.ts'
import { type DatabaseUser, setUpDatabaseRoles } from '../permissions/database-accounts.ts'
import { DATABASE_ROLES } from '../permissions/database-privileges.ts'
import { databaseStatements } from '../permissions/database-statements.ts'
import { permissionSettings } from '../permissions/permission-settings.ts'
import { accountName, SERVICE_ROLES } from '../permissions/service-role.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { withDatabase } from '../with-database.ts'

interface Flags {
  readonly broker: boolean
  readonly database: boolean
  readonly dryRun?: boolean
}

/** Adds `blockmill setup-permissions`. */
export function addSetupPermissionsCommand(program: Command): void {
  const command = program
    .command('setup-permissions')
    .description('give each service a user on the broker and a role in the database that may do what it needs, no more')
    .option('--no-broker', 'leave the broker as it is')
    .option('--no-database', 'leave the database as it is')
    .option('--dry-run', 'only show what would be done')
    .addHelpText(
      'after',
      `\nPasswords come from ${SERVICE_ROLES.map((role) => passwordSettings[role].key).join(', ')}. Where one is not set, an account that is\nthere keeps its password, and a new one gets a random one, which is printed once.`,
    )
  addSettingOptions(command, permissionSettings).action(async ({ broker, database, dryRun = false }: Flags) => {
    const { config } = await loadConfig(permissionSettings, {
      commandLine: settingValues(command, permissionSettings),
    })
    const { namespace: named, monitorQueue: queue, managementUrl = managementUrlOf(config.brokerUrl) } = config
    if (database && config.databaseUrl === undefined) throw databaseUrlMissing()
    const topology = createTopology({ namespace: named, ...(queue !== undefined && { monitorQueue: queue }) })
    const passwords = createAccountPasswords(config)
    const write = (lines: readonly string[]) => process.stdout.write(`${lines.join('\n')}\n`)
    await withOwner(database ? config.databaseUrl : undefined, async (opened) => {
      if (dryRun) {
        if (broker) write(brokerPlan(topology))
        if (opened !== undefined) write(await databasePlan(opened, named))
        return
      }
      const users = broker ? setUpBrokerUsers({ url: config.brokerUrl, managementUrl, topology, passwords }) : []
      for await (const user of users) write(report('RABBITMQ_URL', config.brokerUrl, user))
      if (opened === undefined || config.databaseUrl === undefined) return
      const roles = await setUpDatabaseRoles(opened, { namespace: named, passwords })
      write(roles.flatMap((role) => report('DATABASE_URL', config.databaseUrl ?? '', role)))
    })
  })
}

function databaseUrlMissing(): ConfigurationError {
  return new ConfigurationError(
    'CONFIG_INVALID',
    'DATABASE_URL is not set; it must be that of the owner of the schema. With --no-database the database is left as it is.',
  )
}

/** Opens the database before anything is done, so that a wrong URL leaves nothing half done. */
function withOwner<Result>(
  url: string | undefined,
  work: (database: Database | undefined) => Promise<Result>,
): Promise<Result> {
  return url === undefined ? work(undefined) : withDatabase(url, 'setup-permissions', work)
}

function managementUrlOf(url: string): string {
  const { hostname, username, password } = parseBrokerUrl(url).connect
  const host = hostname?.includes(':') === true ? `[${hostname}]` : hostname
  const credentials = `${encodeURIComponent(username ?? '')}:${encodeURIComponent(password ?? '')}`
  return url.startsWith('amqps:') ? `https://${credentials}@${host}:15671` : `http://${credentials}@${host}:15672`
}

function brokerPlan(topology: Topology): string[] {
  return plannedBrokerUsers(topology).flatMap(({ name, permissions: { configure, write, read } }) => [
    `broker user ${name}`,
    `  configure ${configure}`,
    `  write     ${write}`,
    `  read      ${read}`,
  ])
}

async function databasePlan(database: Database, named: string): Promise<string[]> {
  const [current] = await database.query<{ name: string }>('select current_database() as name')
  const plans = DATABASE_ROLES.map(async (role) => {
    const name = accountName(named, role)
    const exists = (await database.query('select from pg_roles where rolname = $1', [name])).length > 0
    const account = { name, role, exists, passwordHash: undefined }
    return [`database role ${name}`, ...databaseStatements(account, current?.name ?? '').map((line) => `  ${line};`)]
  })
  return (await Promise.all(plans)).flat()
}

/** What a service is to be configured with, where its password was set now. */
function report(key: 'RABBITMQ_URL' | 'DATABASE_URL', url: string, user: BrokerUser | DatabaseUser): string[] {
  const { role, name, password } = user
  if (password === undefined) return [`# ${role}: ${key} as before, user ${name} keeps its password`]
  const own = new URL(url)
  own.username = name
  own.password = password
  return [`# ${role}`, `${key}=${own.href}`]
}

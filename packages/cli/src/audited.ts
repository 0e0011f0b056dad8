import { hostname, userInfo } from 'node:os'

import { type Database, defineSettings, loadConfig, schedulerSettings } from '@blockmill/core'
import type { Command } from 'commander'

import { EXIT_STATUS } from './exit-status.ts'
import { optional, settingValues } from './setting-options.ts'
import { withDatabase } from './with-database.ts'

const { databaseUrl, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl: optional(databaseUrl), configFile })

/** Whoever uses the command; the address says who that is. */
const ACTOR = 'command line'

/**
 * Does what changes something, with an entry in the audit log: who gave which command with what, before anything is done, and its
 * exit status after that. What cannot be put on record is not done.
 *
 * @throws what the work throws; the error of the database.
 */
export async function audited<Result>(
  { query }: Pick<Database, 'query'>,
  command: Command,
  work: () => Promise<Result>,
): Promise<Result> {
  // Loaded when it is needed: most commands have no use for the monitor.
  const { createAuditLog } = await import('@blockmill/monitor')
  const audit = createAuditLog({ query })
  const params = { arguments: command.args, options: command.opts() }
  const route = commandPath(command)
  const id = await audit.write({ role: 'operator', actor: ACTOR, address: whoAndWhere(), method: 'CLI', route, params })
  const finish = (status: number): Promise<void> =>
    audit.finish(id, status).catch((error: Error) => {
      // What was done is done; the exit status must not say otherwise.
      process.stderr.write(`The outcome could not be put into the audit log: ${error.message}\n`)
    })
  try {
    const result = await work()
    await finish(EXIT_STATUS.ok)
    return result
  } catch (error) {
    await finish(EXIT_STATUS.failure)
    throw error
  }
}

/**
 * `audited` for what needs no database: with an entry when `DATABASE_URL` is set, and without when it is not.
 *
 * @throws RetryableError `DATABASE_UNREACHABLE` before anything is done.
 */
export async function auditedWhereSet<Result>(command: Command, work: () => Promise<Result>): Promise<Result> {
  const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
  if (config.databaseUrl === undefined) return work()
  return withDatabase(config.databaseUrl, 'audit', (database) => audited(database, command, work))
}

/** The words of a command, such as `queues purge`. */
function commandPath(command: Command): string {
  const words: string[] = []
  for (let one: Command | null = command; one?.parent; one = one.parent) words.unshift(one.name())
  return words.join(' ')
}

function whoAndWhere(): string {
  return `${userName()}@${hostname()}`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // In a container the user may have no name.
    return String(process.getuid?.() ?? 'unknown')
  }
}

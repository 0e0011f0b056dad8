import { defineSettings, loadConfig, schedulerSettings } from '@blockmill/core'
import type { FailureGroup } from '@blockmill/monitor'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { addSettingOptions, settingValues } from '../setting-options.ts'
import { textTable } from '../text-table.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, configFile })

const MAX_LIMIT = 500
const MESSAGE_IN_TABLE = 80

interface Flags {
  readonly task?: string
  readonly chain?: string
  readonly since?: Date
  readonly limit: number
  readonly json?: boolean
}

/** Adds `blockmill failures`. */
export function addFailuresCommand(program: Command): void {
  const command = program
    .command('failures')
    .description('tasks whose last attempt failed, in groups of one kind')
    .option('--task <name>', 'only of this task')
    .option('--chain <name>', 'only of this chain')
    .addOption(new Option('--since <time>', 'only those that failed since then').argParser(timeOf))
    .addOption(new Option('--limit <count>', 'at most so many groups').argParser(limitOf).default(50))
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async ({ json = false, ...filter }: Flags) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    const { groups, next } = await withDatabase(config.databaseUrl, 'failures', async (database) => {
      const { readFailures } = await import('@blockmill/monitor')
      return readFailures(database.query, filter)
    })
    const more = next === undefined ? '' : '\nThere are more: see --limit.'
    process.stdout.write(`${json ? JSON.stringify(groups, undefined, 2) : `${groupsText(groups)}${more}`}\n`)
  })
}

function groupsText(groups: readonly FailureGroup[]): string {
  if (groups.length === 0) return 'No task has failed.'
  return textTable(
    ['fingerprint', 'task', 'tasks', 'retrying', 'first', 'last', 'example', 'error'],
    groups.map((group) => [
      group.fingerprint,
      group.task,
      `${group.count}${group.isCountCut === true ? '+' : ''}`,
      group.retrying,
      group.firstSeen.toISOString(),
      group.lastSeen.toISOString(),
      group.example.id,
      `${group.errorName}: ${group.message}`.slice(0, MESSAGE_IN_TABLE),
    ]),
  )
}

function timeOf(text: string): Date {
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new InvalidArgumentError('It must be a time such as 2026-01-02T03:04:05Z.')
}

function limitOf(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_LIMIT}.`)
}

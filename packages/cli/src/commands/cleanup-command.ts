import { defineSettings, loadConfig, schedulerSettings } from '@blockmill/core'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { audited } from '../audited.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, configFile })

const DEFAULT_DAYS = 7
/** A hundred years. */
const MAX_DAYS = 36_500

interface Flags {
  readonly days: number
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Adds `blockmill cleanup`. */
export function addCleanupCommand(program: Command): void {
  const days = new Option('--days <days>', 'how long ago they must have finished').argParser(daysOf)
  const command = program
    .command('cleanup')
    .description('delete tasks that succeeded or ended otherwise long ago, with their attempts; coverage stays')
    .addOption(days.default(DEFAULT_DAYS))
    .option('--dry-run', 'only count them')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async ({ days: age, dryRun = false, json = false }: Flags) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    // Loaded when it is needed: most commands have no use for the monitor.
    const { countPrunable, pruneTasks, retentionCutoff } = await import('@blockmill/monitor')
    const cutoff = retentionCutoff(age, new Date())
    const { deletedCount } = await withDatabase(config.databaseUrl, 'cleanup', async (database) =>
      dryRun
        ? { deletedCount: await countPrunable(database.query, cutoff) }
        : audited(database, command, () => pruneTasks(database, { cutoff })),
    )
    const done = dryRun ? 'Would delete' : 'Deleted'
    const text = `${done} ${deletedCount} task${deletedCount === 1 ? '' : 's'} that finished before ${cutoff.toISOString()}.`
    process.stdout.write(`${json ? JSON.stringify({ deletedCount, cutoff }) : text}\n`)
  })
}

function daysOf(text: string): number {
  const days = /^\d+$/.test(text) ? Number(text) : 0
  if (days >= 1 && days <= MAX_DAYS) return days
  throw new InvalidArgumentError(`It must be a whole number of days from 1 to ${MAX_DAYS}.`)
}

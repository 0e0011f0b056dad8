import { defineSettings, FINAL_STATES, loadConfig, schedulerSettings } from '@blockmill/core'
import type { Command } from 'commander'

import { audited } from '../audited.ts'
import { withBroker } from '../control/with-control.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import {
  actOnSelected,
  addFinishOptions,
  addSelectionOptions,
  reportDryRun,
  reportOutcomes,
  selectedIds,
  type SelectionFlags,
} from '../task-selection.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, brokerUrl, namespace, monitorQueue, configFile })

interface RetryFlags extends SelectionFlags {
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** Adds `blockmill retry`. */
export function addRetryCommand(program: Command, setStatus: SetStatus): void {
  const command = program
    .command('retry')
    .description('run tasks that have ended again, as a new generation; status 1 when any cannot be run again')
    .argument('[id...]', 'ids of tasks; or those that fit the options')
  addFinishOptions(addSelectionOptions(command, FINAL_STATES))
    .option('--force', 'also those that have succeeded')
    .option('--dry-run', 'only count')
    .option('--json', 'as JSON')
  addSettingOptions(command, settings).action(async (given: string[], flags: RetryFlags) => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    await withDatabase(config.databaseUrl, 'retry', async (database) => {
      const ids = await selectedIds(database, 'retry', given, flags)
      if (flags.dryRun === true) {
        reportDryRun(ids.length, 'run again', flags.json)
        return
      }
      const outcomes = await audited(database, command, () =>
        withBroker(config, (broker) =>
          actOnSelected({ database, broker, now: () => new Date(), by: 'blockmill retry' }, 'retry', ids, flags),
        ),
      )
      const refused = reportOutcomes(outcomes, { key: 'retried', words: 'run again' }, flags.json)
      if (refused > 0) setStatus(EXIT_STATUS.failure)
    })
  })
}

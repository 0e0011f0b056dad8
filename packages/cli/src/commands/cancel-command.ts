import { defineSettings, loadConfig, schedulerSettings, type TaskState } from '@blockmill/core'
import type { Command } from 'commander'

import { audited, auditedWhereSet } from '../audited.ts'
import { answersOf, reportOrder } from '../control/answers.ts'
import { addControlOptions, type ControlFlags, withBroker, withControl } from '../control/with-control.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import type { SetStatus } from '../run-cli.ts'
import { addSettingOptions, settingValues } from '../setting-options.ts'
import {
  actOnSelected,
  addSelectionOptions,
  assertSelection,
  isFiltered,
  reportDryRun,
  reportOutcomes,
  selectedIds,
  type SelectionFlags,
} from '../task-selection.ts'
import { withDatabase } from '../with-database.ts'

const { databaseUrl, brokerUrl, namespace, monitorQueue, configFile } = schedulerSettings
const filterSettings = defineSettings({ databaseUrl, brokerUrl, namespace, monitorQueue, configFile })

const UNFINISHED: readonly TaskState[] = ['scheduled', 'running', 'retrying', 'postponed']

interface CancelFlags extends ControlFlags, SelectionFlags {
  readonly dryRun?: boolean
}

/** Adds `blockmill cancel`. */
export function addCancelCommand(program: Command, setStatus: SetStatus): void {
  const command = program
    .command('cancel')
    .description('call tasks off: those that run are aborted, those that wait end as cancelled when a worker gets them')
    .argument('[id...]', 'ids of tasks; or those that fit the options, which needs the database')
  addSelectionOptions(command, UNFINISHED).option('--dry-run', 'only count those that fit the options')
  addSettingOptions(addControlOptions(command), { databaseUrl }).action(async (ids: string[], flags: CancelFlags) => {
    assertSelection(ids, flags)
    if (isFiltered(flags)) {
      setStatus(await cancelByFilter(command, flags))
      return
    }
    const replies = await auditedWhereSet(command, () =>
      withControl(command, flags, ({ control }) => control.cancel(ids)),
    )
    const { running } = answersOf(replies)
    setStatus(reportOrder(`Tasks called off: ${ids.length}; of these were running: ${running}.`, replies, flags))
  })
}

/** Puts the orders on record itself, so that it needs neither a monitor nor an answer. */
async function cancelByFilter(command: Command, flags: CancelFlags): Promise<number> {
  const { config } = await loadConfig(filterSettings, { commandLine: settingValues(command, filterSettings) })
  return withDatabase(config.databaseUrl, 'cancel', async (database) => {
    const ids = await selectedIds(database, 'cancel', [], flags)
    if (flags.dryRun === true) {
      reportDryRun(ids.length, 'called off', flags.json)
      return EXIT_STATUS.ok
    }
    const outcomes = await audited(database, command, () =>
      withBroker(config, (broker) =>
        actOnSelected({ database, broker, now: () => new Date(), by: 'blockmill cancel' }, 'cancel', ids),
      ),
    )
    const refused = reportOutcomes(outcomes, { key: 'cancelled', words: 'called off' }, flags.json)
    return refused > 0 ? EXIT_STATUS.failure : EXIT_STATUS.ok
  })
}

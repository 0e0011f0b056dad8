import {
  createLogger,
  defineSettings,
  loadConfig,
  migrate,
  openDatabase,
  schedulerSettings,
  waitForDatabase,
} from '@blockmill/core'
import type { Command } from 'commander'

import { addSettingOptions, settingValues } from '../setting-options.ts'

const { databaseUrl, logLevel, configFile } = schedulerSettings
const settings = defineSettings({ databaseUrl, logLevel, configFile })

/** Adds `blockmill migrate`. */
export function addMigrateCommand(program: Command): void {
  const command = program
    .command('migrate')
    .description('bring the database schema up to this version; safe to run again, and services do it at their start')
  addSettingOptions(command, settings).action(async () => {
    const { config } = await loadConfig(settings, { commandLine: settingValues(command, settings) })
    const logger = createLogger({ service: 'migrate', level: config.logLevel })
    const database = openDatabase({ url: config.databaseUrl, logger, poolMax: 2 })
    try {
      await waitForDatabase(database, { logger })
      await migrate(database, { logger })
      logger.info({ database: database.address }, 'the schema is that of this version')
    } finally {
      await database.close()
    }
  })
}

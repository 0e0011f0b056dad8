import {
  type ConfigEntry,
  describeConfig,
  loadConfig,
  monitorSettings,
  schedulerSettings,
  type Settings,
  workerSettings,
} from '@blockmill/core'
import { Argument, type Command } from 'commander'

import { addSettingOptions, settingValues } from '../setting-options.ts'

const SERVICES: Readonly<Record<string, Settings>> = {
  scheduler: schedulerSettings,
  worker: workerSettings,
  monitor: monitorSettings,
}
const { configFile } = schedulerSettings

/** Adds `blockmill config`. */
export function addConfigCommand(program: Command): void {
  const command = program
    .command('config')
    .description('show the effective configuration and where each value comes from; secrets are masked')
    .addArgument(new Argument('<service>', 'whose').choices(Object.keys(SERVICES)))
    .option('--json', 'as JSON')
  addSettingOptions(command, { configFile }).action(async (service: string, { json = false }: { json?: boolean }) => {
    const commandLine = settingValues(command, { configFile })
    const { entries } = await loadConfig(SERVICES[service] ?? {}, { commandLine })
    process.stdout.write(`${json ? JSON.stringify(entries.map(asJson), undefined, 2) : describeConfig(entries)}\n`)
  })
}

function asJson({ key, text, source, description }: ConfigEntry): object {
  return { key, value: text ?? null, source, description }
}

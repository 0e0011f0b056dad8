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
    .addArgument(new Argument('[service]', 'whose; otherwise of all').choices(Object.keys(SERVICES)))
    .option('--json', 'as JSON')
  addSettingOptions(command, { configFile }).action(
    async (service?: string, { json = false }: { json?: boolean } = {}) => {
      const commandLine = settingValues(command, { configFile })
      const settings = service === undefined ? settingsOfAll() : (SERVICES[service] ?? {})
      const { entries } = await loadConfig(settings, { commandLine })
      const shown = service === undefined ? nameServices(entries, Object.keys(settings)) : entries
      process.stdout.write(`${json ? JSON.stringify(shown.map(asJson), undefined, 2) : describeConfig(shown)}\n`)
    },
  )
}

/** Each setting once, by its key; one whose default differs (`PORT`) once for each service, by key and service. */
function settingsOfAll(): Settings {
  const all: Record<string, Settings[string]> = {}
  const given = Object.entries(SERVICES).flatMap(([service, settings]) =>
    Object.values(settings).map((one) => ({ service, one })),
  )
  for (const { service, one } of given) {
    const differs = given.some((other) => other.one.key === one.key && other.one.defaultText !== one.defaultText)
    all[differs ? `${one.key} ${service}` : one.key] ??= one
  }
  return all
}

function nameServices(entries: readonly ConfigEntry[], names: readonly string[]): ConfigEntry[] {
  return entries.map((entry, index) => {
    const service = names[index]?.split(' ')[1]
    return service === undefined ? entry : { ...entry, source: `${entry.source} (${service})` }
  })
}

function asJson({ key, text, source, description }: ConfigEntry): object {
  return { key, value: text ?? null, source, description }
}

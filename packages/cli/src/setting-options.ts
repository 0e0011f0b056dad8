import type { Setting, Settings } from '@blockmill/core'
import { type Command, Option } from 'commander'

/** Gives a command one option for each setting that has a flag, described with its key and its default. */
export function addSettingOptions(command: Command, settings: Settings): Command {
  for (const { key, flag, description, defaultText } of Object.values(settings)) {
    if (flag === undefined) continue
    const otherwise = defaultText === undefined ? '' : `, default ${defaultText}`
    command.addOption(new Option(`--${flag} <value>`, `${description} (${key}${otherwise})`))
  }
  return command
}

/** What was given for settings on the command line, by key, as `loadConfig` takes it. */
export function settingValues(command: Command, settings: Settings): Record<string, string | undefined> {
  const given: Record<string, string | undefined> = command.opts()
  const values: Record<string, string | undefined> = {}
  for (const { key, flag } of Object.values(settings)) {
    if (flag !== undefined) values[key] = given[new Option(`--${flag} <value>`).attributeName()]
  }
  return values
}

/** A setting that a command can do without. */
export function optional<Value>(one: Setting<Value>): Setting<Value | undefined> {
  return { ...one, required: false }
}

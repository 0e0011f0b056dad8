import { closest } from 'fastest-levenshtein'

import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { ConfigOf, Settings } from './define-settings.ts'
import { parseSetting, type Setting } from './setting.ts'

/** A place that settings come from. */
export interface ConfigSource {
  /** As shown: `command line`, `environment`, `.env`, `blockmill.config.ts`. */
  readonly name: string
  readonly values: Readonly<Record<string, unknown>>
  /** Which keys of it must be settings. The environment and `.env` belong to others too; the configuration file does not. */
  readonly owns: 'keys that begin with BLOCKMILL_' | 'all keys'
}

/** One setting as it came out, for people. */
export interface ConfigEntry {
  readonly key: string
  readonly description: string
  /** Secrets masked; absent when nobody set it and there is no default. */
  readonly text?: string
  /** Name of the source, or `default`. */
  readonly source: string
}

/** @internal */
export interface ResolvedConfig<Given extends Settings> {
  readonly config: ConfigOf<Given>
  readonly entries: readonly ConfigEntry[]
}

/**
 * Takes each setting from the first source that has it, else its default. An empty text counts as not set, because that is
 * what `KEY=` in a compose file means.
 *
 * @param knownKeys keys of all services, so that one file can serve them all.
 * @throws ConfigurationError `CONFIG_INVALID` with every problem at once: values that break their rule, settings that are
 * missing, keys that nobody knows.
 */
export function resolveConfig<Given extends Settings>(
  settings: Given,
  sources: readonly ConfigSource[],
  knownKeys: readonly string[],
): ResolvedConfig<Given> {
  const problems = sources.flatMap((source) => unknownKeys(source, knownKeys))
  const config: Record<string, unknown> = {}
  const entries: ConfigEntry[] = []
  for (const [name, one] of Object.entries(settings)) {
    const given = firstGiven(one, sources)
    const { key, description } = one
    entries.push({
      key,
      description,
      source: given.source,
      ...(given.text === undefined ? {} : { text: one.mask(given.text) }),
    })
    if (given.text === undefined) {
      if (one.required) problems.push(`${key} is not set (${description}); it must be ${one.rule}.`)
      continue
    }
    const result = parseSetting(one, given.text)
    if ('problem' in result) problems.push(`${key} (${given.source}) ${result.problem}`)
    else config[name] = result.value
  }
  if (problems.length > 0) throw invalid(problems)
  return { config: config as ConfigOf<Given>, entries }
}

function firstGiven(one: Setting<unknown>, sources: readonly ConfigSource[]): { text?: string; source: string } {
  for (const source of sources) {
    const text = textOf(source.values[one.key])
    if (text !== '') return { text, source: source.name }
  }
  return { source: 'default', ...(one.defaultText === undefined ? {} : { text: one.defaultText }) }
}

/** Sources other than the configuration file hold text alone; there, lists and numbers may be what they are. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.join(',')
  return (typeof value === 'string' ? value : JSON.stringify(value)).trim()
}

function unknownKeys(source: ConfigSource, knownKeys: readonly string[]): string[] {
  return Object.keys(source.values)
    .filter((key) => source.owns === 'all keys' || key.startsWith('BLOCKMILL_'))
    .filter((key) => !knownKeys.includes(key))
    .map((key) => `${key} (${source.name}) is not a setting. Did you mean ${closest(key, [...knownKeys])}?`)
}

function invalid(problems: readonly string[]): ConfigurationError {
  const heading =
    problems.length === 1 ? 'The configuration is not valid:' : 'The configuration is not valid, in several places:'
  return new ConfigurationError('CONFIG_INVALID', [heading, ...problems.map((problem) => `  - ${problem}`)].join('\n'))
}

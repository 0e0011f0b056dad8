import { BlockmillError } from '../errors/blockmill-error.ts'
import { type Duration, durationMs, formatDuration } from '../task/duration.ts'
import { redactUrl } from '../chain/redact-url.ts'

/**
 * One setting: its key in the environment, what it means, how its text is read and how its value is shown. `Value` is what
 * services get; it includes `undefined` for a setting that may be left out.
 */
export interface Setting<Value> {
  /** Name in the environment, in `.env` and in the configuration file, such as `BLOCKMILL_CONCURRENCY`. */
  readonly key: string
  /** Name of the command line option, without dashes, where there is one. */
  readonly flag?: string
  readonly description: string
  /** What a value must be, to follow "must be": `a whole number from 1 to 10`. */
  readonly rule: string
  /** True when services cannot start without it. */
  readonly required: boolean
  /** Text of the default, in the form in which a user would write it; absent without one. */
  readonly defaultText?: string
  /** Reads text. `undefined` when it breaks the rule. May throw a `BlockmillError` to say more than the rule does. */
  readonly parse: (text: string) => Value | undefined
  /** Text as it may be shown to anybody: secrets masked. */
  readonly mask: (text: string) => string
}

/** What every kind of setting is told. */
export interface SettingOptions {
  readonly key: string
  readonly flag?: string
  readonly description: string
}

/** Text of the value when nobody sets one. Without it, the setting may be left out; with `required`, it may not. */
interface WithDefault<Default> {
  readonly default: Default
  readonly required?: never
}
interface Required {
  readonly default?: never
  readonly required: true
}
type Presence<Default> = WithDefault<Default> | Required | { readonly default?: never; readonly required?: never }

/** A value that is always there when the options say so. */
type Present<Value, Options> = Options extends WithDefault<unknown> | Required ? Value : Value | undefined

interface Kind<Value> {
  readonly rule: string
  readonly parse: (text: string) => Value | undefined
  readonly mask?: (text: string) => string
}

function create<Value, Options extends SettingOptions & Presence<string | number | boolean>>(
  options: Options,
  kind: Kind<Value>,
): Setting<Present<Value, Options>> {
  const { key, flag, description } = options
  return {
    key,
    ...(flag === undefined ? {} : { flag }),
    description,
    rule: kind.rule,
    required: options.required === true,
    ...(options.default === undefined ? {} : { defaultText: String(options.default) }),
    parse: kind.parse,
    mask: kind.mask ?? ((text) => text),
  }
}

/** A whole number within bounds. */
function integer<const Options extends SettingOptions & Presence<number> & { min: number; max: number }>(
  options: Options,
): Setting<Present<number, Options>> {
  const { min, max } = options
  return create(options, {
    rule: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^-?\d+$/.test(text) ? within(Number(text), min, max) : undefined),
  })
}

/** Units that a plain number of a duration setting may count. */
const PLAIN_UNITS = { seconds: 1_000, minutes: 60_000 } as const

/**
 * A length of time in milliseconds, written with a unit (`500ms`, `5s`, `2m`, `24h`). A plain number counts `plainNumber`,
 * as older settings of the same meaning did.
 */
function duration<
  const Options extends SettingOptions &
    Presence<Duration> & { min: Duration; max: Duration; plainNumber: keyof typeof PLAIN_UNITS },
>(options: Options): Setting<Present<number, Options>> {
  const [min, max] = [durationMs(options.min, options.key), durationMs(options.max, options.key)]
  return create(options, {
    rule: `a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as 500ms, 5s or 2m; a plain number counts ${options.plainNumber}`,
    parse: (text) => within(readDuration(text, options), min, max),
  })
}

function readDuration(text: string, options: { readonly key: string; plainNumber: keyof typeof PLAIN_UNITS }): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * PLAIN_UNITS[options.plainNumber]
  try {
    return durationMs(text as Duration, options.key)
  } catch {
    // Not a duration: the rule of the setting says what is.
    return Number.NaN
  }
}

/** One of a few words. */
function choice<const Word extends string, const Options extends SettingOptions & Presence<Word>>(
  words: readonly Word[],
  options: Options,
): Setting<Present<Word, Options>> {
  return create(options, {
    rule: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text),
  })
}

/** Yes or no: `true`, `false`, `1`, `0`, `yes`, `no`. */
function boolean<const Options extends SettingOptions & Presence<boolean>>(
  options: Options,
): Setting<Present<boolean, Options>> {
  return create(options, {
    rule: 'true or false',
    parse: (text) => {
      if (['true', '1', 'yes'].includes(text.toLowerCase())) return true
      return ['false', '0', 'no'].includes(text.toLowerCase()) ? false : undefined
    },
  })
}

/** Free text. `secret` text is never shown. */
function freeText<const Options extends SettingOptions & Presence<string> & { secret?: boolean }>(
  options: Options,
): Setting<Present<string, Options>> {
  return create(options, {
    rule: 'text that is not empty',
    parse: (value) => (value === '' ? undefined : value),
    ...(options.secret === true ? { mask: () => '***' } : {}),
  })
}

/** A URL of one of the given protocols. User, password, path and query are masked, because keys live there. */
function url<
  const Options extends SettingOptions & Presence<string> & { protocols: readonly string[]; example: string },
>(options: Options): Setting<Present<string, Options>> {
  const { protocols, example } = options
  return create(options, {
    rule: `a URL such as ${example}`,
    parse: (value) => (isAddress(value, protocols) ? value : undefined),
    mask: redactUrl,
  })
}

/**
 * True for a URL of one of the protocols that says where to connect to: after `://` a host, or the parameter `host` of libpq,
 * which may be the directory of a socket. Without them, clients connect to this machine, whatever the rest says.
 */
export function isAddress(text: string, protocols: readonly string[]): boolean {
  const parsed = URL.parse(text)
  if (parsed === null || !protocols.includes(parsed.protocol)) return false
  return /^[a-z]+:\/\//i.test(text) && (parsed.hostname !== '' || (parsed.searchParams.get('host') ?? '') !== '')
}

/** Words separated by commas, each of which must pass `isItem`. At least one. */
function list<const Options extends SettingOptions & Presence<string>>(
  options: Options & { readonly rule: string; readonly isItem?: (item: string) => boolean },
): Setting<Present<readonly string[], Options>> {
  const { rule, isItem = () => true } = options
  return create(options, {
    rule,
    parse: (value) => {
      const items = value.split(',').map((item) => item.trim())
      const unique = [...new Set(items.filter((item) => item !== ''))]
      return unique.length > 0 && unique.every(isItem) ? unique : undefined
    },
  })
}

/** A setting with a grammar of its own. */
function custom<Value, const Options extends SettingOptions & Presence<string>>(
  options: Options,
  kind: Kind<Value>,
): Setting<Present<Value, Options>> {
  return create(options, kind)
}

/** Makers of settings, one for each kind of value. */
export const setting = { integer, duration, choice, boolean, text: freeText, url, list, custom }

/**
 * Reads the text of one setting.
 *
 * @returns the value, or the sentence that says what is wrong with it: secrets masked.
 */
export function parseSetting<Value>(
  one: Setting<Value>,
  given: string,
): { readonly value: Value } | { readonly problem: string } {
  try {
    const value = one.parse(given)
    if (value !== undefined) return { value }
    return { problem: `is ${JSON.stringify(one.mask(given))}; it must be ${one.rule}.` }
  } catch (error) {
    if (!(error instanceof BlockmillError)) throw error
    return { problem: `is not usable: ${error.message}` }
  }
}

function within(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined
}

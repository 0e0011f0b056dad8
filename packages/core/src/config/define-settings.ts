import type { Setting } from './setting.ts'

/** The settings of a service: names in code, each with its setting. */
export type Settings = Readonly<Record<string, Setting<unknown>>>

/** The configuration that settings lead to. A setting that may be left out is a property that may be missing. */
export type ConfigOf<Given extends Settings> = {
  readonly [Name in keyof Given as undefined extends ValueOf<Given[Name]> ? never : Name]: ValueOf<Given[Name]>
} & {
  readonly [Name in keyof Given as undefined extends ValueOf<Given[Name]> ? Name : never]?: Exclude<
    ValueOf<Given[Name]>,
    undefined
  >
}

type ValueOf<Given> = Given extends Setting<infer Value> ? Value : never

/**
 * Settings under the names that code knows them by. Groups are shared by spreading them.
 *
 * @throws Error when two settings have one key or one flag: a fault in the code, not in the configuration.
 */
export function defineSettings<const Given extends Settings>(settings: Given): Given {
  const all = Object.values(settings)
  for (const name of ['key', 'flag'] as const) {
    const taken = new Set<string>()
    for (const one of all) {
      const word = one[name]
      if (word === undefined) continue
      if (taken.has(word)) throw new Error(`Two settings have the ${name} ${word}.`)
      taken.add(word)
    }
  }
  return settings
}

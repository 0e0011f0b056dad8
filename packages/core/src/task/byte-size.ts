import { ConfigurationError } from '../errors/blockmill-error.ts'

/** Units of sizes: decimal and binary ones, as their names say. */
const UNITS = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const

/** An amount of memory: text such as `'512MiB'` or `'1.5GB'`, or a number of bytes. */
export type ByteSize = number | `${number}${keyof typeof UNITS}`

/**
 * A size in whole bytes.
 *
 * @param what names the setting in the error, for example `maxMemoryPerChild`.
 * @throws ConfigurationError `TASK_DEFINITION_INVALID` when it is not a size, not finite, or negative.
 */
export function byteSize(size: ByteSize, what: string): number {
  const value = typeof size === 'number' ? size : parse(size)
  if (value === undefined || !Number.isFinite(value) || value < 0) {
    throw new ConfigurationError(
      'TASK_DEFINITION_INVALID',
      `${what} is ${JSON.stringify(size)}, which is not a size. Use text such as '512MiB' or '1.5GB', or a number of bytes from 0 up.`,
    )
  }
  return Math.round(value)
}

/** `536_870_912` → `512 MiB`: how sizes are shown to people. */
export function formatBytes(bytes: number): string {
  for (const unit of ['GiB', 'MiB', 'KiB'] as const) {
    if (bytes >= UNITS[unit]) return `${Math.round((bytes / UNITS[unit]) * 10) / 10} ${unit}`
  }
  return `${Math.round(bytes)} B`
}

function parse(text: string): number | undefined {
  const [, digits, word] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? []
  const unit = Object.entries(UNITS).find(([name]) => name.toLowerCase() === word?.toLowerCase())
  return unit === undefined ? undefined : Number(digits) * unit[1]
}

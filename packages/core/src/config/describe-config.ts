import type { ConfigEntry } from './resolve-config.ts'

/** The effective configuration as aligned lines: key, value with secrets masked, and where the value came from. */
export function describeConfig(entries: readonly ConfigEntry[]): string {
  const shown = entries.map(({ key, text, source }) => ({ key, text: text ?? '(not set)', source }))
  const width = (name: 'key' | 'text'): number => Math.max(0, ...shown.map((entry) => entry[name].length))
  const [keyWidth, textWidth] = [width('key'), width('text')]
  return shown
    .map(({ key, text, source }) => `${key.padEnd(keyWidth)}  ${text.padEnd(textWidth)}  ${source}`)
    .join('\n')
}

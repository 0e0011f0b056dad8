import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { devChainSettings } from './dev-chain-settings.ts'
import { monitorSettings } from './monitor-settings.ts'
import { schedulerSettings } from './scheduler-settings.ts'
import { workerSettings } from './worker-settings.ts'

const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')
const rows = new Map(
  [...page.matchAll(/^\| `([A-Z_]+)` .*\|$/gm)].map(([row, key]) => [key, row.split('|').map((cell) => cell.trim())]),
)
const services = {
  scheduler: schedulerSettings,
  worker: workerSettings,
  monitor: monitorSettings,
  'dev-chain': devChainSettings,
}
const all = Object.entries(services).flatMap(([service, settings]) =>
  Object.values(settings).map((one) => ({ ...one, service })),
)

test('docs/configuration.md has every setting, and no other', () => {
  expect(new Set(rows.keys())).toEqual(new Set(all.map(({ key }) => key)))
})

test.each(all)('docs/configuration.md says of $key for the $service what is so', (one) => {
  const [, , option, otherwise, of, rule] = rows.get(one.key) ?? []
  expect(option).toBe(one.flag === undefined ? '–' : `\`--${one.flag}\``)
  expect(of?.split(', ')).toContain(one.service)
  expect(rule).toBe(one.rule)
  if (one.required) expect(otherwise).toBe('required')
  else expect(otherwise).toContain(one.defaultText === undefined ? '–' : `\`${one.defaultText}\``)
})

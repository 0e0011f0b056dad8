import { readFileSync } from 'node:fs'

import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import { createChainMetrics } from './chain-metrics.ts'

it('docs/chains.md has every metric of chain connections, with its labels, and no other', async () => {
  const registry = new Registry()
  createChainMetrics(registry)
  const page = readFileSync(new URL('../../../../docs/chains.md', import.meta.url), 'utf8')
  const documented = [...page.matchAll(/^\| `(blockmill_\w+)` +\| (.+?) +\|/gm)].map(([, name, labels = '']) => [
    name,
    [...labels.matchAll(/\w+/g)].map(([label]) => label),
  ])
  const existing = registry
    .getMetricsAsArray()
    .map((metric) => [metric.name, 'labelNames' in metric ? metric.labelNames : []])
  expect(documented).toEqual(existing)
})

it('gives a second connection of the process the same metrics', () => {
  const registry = new Registry()
  expect(createChainMetrics(registry)).toEqual(createChainMetrics(registry))
})

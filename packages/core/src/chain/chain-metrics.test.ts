import { Registry } from 'prom-client'
import { expect, it } from 'vitest'

import { createChainMetrics } from './chain-metrics.ts'

it('gives a second connection of the process the same metrics', () => {
  const registry = new Registry()
  expect(createChainMetrics(registry)).toEqual(createChainMetrics(registry))
})

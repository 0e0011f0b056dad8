import { type AnyTaskDefinition, type AnyCondition, defineTask, everyNBlocks } from '@blockmill/core'
import { evaluateBlocks, planMessages } from '@blockmill/scheduler'

import type { Result } from './report.ts'

const BLOCKS = 1_000_000
const DEFINITIONS = 10
/** Evaluations in a second on one core. */
const BAR_PER_SECOND = 1_000_000

const CONDITIONS: Readonly<Record<string, AnyCondition>> = {
  'a function of the number': ({ number }) => number % 100 === 0,
  'a function of number and arguments': ({ number }, { netuid }: { netuid: number }) =>
    (number + netuid + 1) % 361 === 0,
  'everyNBlocks(100)': everyNBlocks(100),
}

/** Evaluations (blocks × definitions) in a second on one core, with the messages of those that match. */
export async function benchPlanner(): Promise<Result[]> {
  return Object.entries(CONDITIONS).map(([what, condition]) => ({
    benchmark: 'planner',
    what: `${what}, ${BLOCKS.toLocaleString('en')} blocks × ${DEFINITIONS} definitions`,
    value: evaluationsPerSecond(defineTask({ name: 'bench', condition, run: () => null })),
    unit: 'evaluations/s',
    bar: BAR_PER_SECOND,
  }))
}

function evaluationsPerSecond(definition: AnyTaskDefinition): number {
  const { condition } = definition
  const context = { chain: {} as never, signal: new AbortController().signal }
  const start = performance.now()
  for (let netuid = 0; netuid < DEFINITIONS; netuid += 1) {
    for (let from = 0; from < BLOCKS;) {
      const args = { netuid }
      const { matches, next } = evaluateBlocks({
        condition,
        args,
        range: { from, to: BLOCKS - 1 },
        maxMatches: 500,
        blockAt: (number) => ({ number }),
        context,
      })
      const blocks = matches.map((number) => ({ number }))
      const scheduledAt = new Date()
      planMessages({ chain: 'bench', definition, args, blocks, cause: 'live', scheduledAt, defaultMaxAttempts: 3 })
      from = next
    }
  }
  return (BLOCKS * DEFINITIONS * 1_000) / (performance.now() - start)
}

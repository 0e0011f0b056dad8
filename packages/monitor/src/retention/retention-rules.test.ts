import { expect, it } from 'vitest'

import { retentionRules, SHORTEST_KEPT_MS } from './retention-rules.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
const kind = (name: string, succeeded: boolean) => ({ chain: 'dev', name, succeeded })

it('makes one rule of all tasks when no definition says anything, and none when they are kept for ever', () => {
  expect(retentionRules([], { keptMs: 7 * DAY_MS })).toEqual([{ type: 'but', keptMs: 7 * DAY_MS, kinds: [] }])
  expect(retentionRules([], { keptMs: undefined })).toEqual([])
})

it('takes what a definition says from the rule of the others, and puts the same lengths together', () => {
  const rules = retentionRules(
    [
      { chain: 'dev', task: 'a', succeededMs: DAY_MS, failedMs: null },
      { chain: 'dev', task: 'b', failedMs: DAY_MS },
      { chain: 'dev', task: 'c', succeededMs: 0 },
    ],
    { keptMs: 7 * DAY_MS },
  )
  expect(rules).toEqual([
    { type: 'only', keptMs: SHORTEST_KEPT_MS, kinds: [kind('c', true)] },
    { type: 'only', keptMs: DAY_MS, kinds: [kind('a', true), kind('b', false)] },
    { type: 'but', keptMs: 7 * DAY_MS, kinds: [kind('a', true), kind('a', false), kind('b', false), kind('c', true)] },
  ])
})

it('makes one more rule for queues, after what definitions say and also where all else is kept for ever', () => {
  const said = [{ chain: 'dev', task: 'a', succeededMs: DAY_MS }]
  expect(retentionRules(said, { keptMs: undefined, deleteOnComplete: ['probes', 'pings'] })).toEqual([
    { type: 'only', keptMs: DAY_MS, kinds: [kind('a', true)] },
    { type: 'but', keptMs: SHORTEST_KEPT_MS, kinds: [kind('a', true)], succeededIn: ['probes', 'pings'] },
  ])
})

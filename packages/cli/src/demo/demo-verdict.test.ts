import { type AnyTaskDefinition, blockRange, defineTask, everyNBlocks } from '@blockmill/core'
import { expect, test } from 'vitest'

import { type DemoEvidence, expectedCount, findMissing, summaryTable } from './demo-verdict.ts'

const run = (): void => {}
const everyBlock = defineTask({ name: 'every-block', run })
const everyTenth = defineTask({ name: 'every-tenth', condition: everyNBlocks(10), args: [{ n: 1 }, { n: 2 }], run })
const onCondition = defineTask({ name: 'on-condition', condition: ({ number }) => number > 3, run })

const blocks = blockRange(1, 20)
const whole = [blocks]
const counts = { succeeded: 0, retried: 0, failed: 0 }
const complete: DemoEvidence = {
  blocks,
  tasks: [everyBlock, everyTenth, onCondition].map((definition) => ({ definition, file: 'tasks.ts' })),
  coverage: [
    { task: 'every-block', evaluated: whole },
    { task: 'every-tenth', evaluated: whole },
    { task: 'every-tenth', evaluated: [blockRange(1, 30)] },
    { task: 'on-condition', evaluated: whole },
  ],
  summaries: [
    { ...counts, name: 'every-block', recorded: 20, scheduled: 20, finished: 20 },
    { ...counts, name: 'every-tenth', recorded: 4, scheduled: 4, finished: 4 },
    { ...counts, name: 'on-condition', recorded: 17, scheduled: 17, finished: 17 },
  ],
}
const withSummary = (change: Partial<DemoEvidence['summaries'][number]>): DemoEvidence => ({
  ...complete,
  summaries: complete.summaries.map((one, index) => (index === 0 ? { ...one, ...change } : one)),
})

test('nothing is missing when all is evaluated, scheduled and finished', () => {
  expect(findMissing(complete)).toEqual([])
})

test('a task that failed after its attempts is finished', () => {
  expect(findMissing(withSummary({ failed: 5, succeeded: 15 }))).toEqual([])
})

test('a gap in coverage is missing, with its blocks', () => {
  const evaluated = [blockRange(1, 6), blockRange(8, 17)]
  const coverage = [{ task: 'every-block', evaluated }, ...complete.coverage.slice(1)]
  expect(findMissing({ ...complete, coverage })).toEqual(['every-block: not evaluated for block 7, blocks 18 to 20'])
})

test('a task without any coverage is missing', () => {
  expect(findMissing({ ...complete, coverage: complete.coverage.slice(1) })).toEqual([
    'every-block: no coverage is recorded',
  ])
})

test('a task that was published and never recorded is missing, though coverage is whole', () => {
  expect(findMissing(withSummary({ recorded: 19, scheduled: 19, finished: 19 }))).toEqual([
    'every-block: 19 tasks are recorded, but there should be 20',
  ])
})

test('a task that has only one of its two records is missing', () => {
  expect(findMissing(withSummary({ scheduled: 18 }))).toEqual([
    'every-block: 2 tasks lack the record of their schedule',
  ])
  expect(findMissing(withSummary({ finished: 19 }))).toEqual(['every-block: 1 tasks are not finished'])
})

test('how many tasks there must be is known for conditions that answer at once', () => {
  expect(expectedCount(everyBlock, blocks)).toBe(20)
  expect(expectedCount(everyTenth, blocks)).toBe(4)
  expect(expectedCount(onCondition, blocks)).toBe(17)
  const byArgs = defineTask({
    name: 'by-args',
    condition: ({ number }, { from }: { from: number }) => number >= from,
    args: [{ from: 19 }, { from: 11 }],
    run,
  })
  expect(expectedCount(byArgs, blocks)).toBe(12)
})

test.each<[string, AnyTaskDefinition]>([
  ['is asynchronous', defineTask({ name: 'later', condition: async () => true, run })],
  ['is asynchronous and fails', defineTask({ name: 'rejects', condition: () => Promise.reject(new Error('no')), run })],
  ['reads the chain', defineTask({ name: 'reads', condition: (_, __, { chain }) => chain !== undefined, run })],
  ['needs a hash', defineTask({ name: 'hash', head: 'latest', condition: ({ hash }) => hash === '0x', run })],
])('how many tasks there must be is not known where the condition %s', (_, definition) => {
  expect(expectedCount(definition, blocks)).toBeUndefined()
})

test('how many tasks there must be is not known where arguments are computed', () => {
  expect(expectedCount(defineTask({ name: 'computed', args: () => [], run }), blocks)).toBeUndefined()
})

test('the summary ends with the sum of all tasks', () => {
  const table = summaryTable([
    {
      ...counts,
      name: 'a',
      recorded: 3,
      scheduled: 3,
      finished: 3,
      succeeded: 2,
      retried: 1,
      failed: 1,
      p50Ms: 12.4,
      p95Ms: 80,
    },
    { ...counts, name: 'b', recorded: 1, scheduled: 1, finished: 1, succeeded: 1 },
  ])
  expect(table).toMatch(/^a +3 +2 +1 +1 +12 ms +80 ms$/m)
  expect(table).toMatch(/^b +1 +1 +0 +0 +- +-$/m)
  expect(table).toMatch(/^all +4 +3 +1 +1$/m)
})

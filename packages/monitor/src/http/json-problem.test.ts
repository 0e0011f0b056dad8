import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { jsonProblem } from './json-problem.ts'

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels))

test.each([undefined, null, 0, '', 'text', { a: [1, { b: 'é😀' }] }, nested(64)])(
  'finds no problem with %j',
  (value) => {
    expect(jsonProblem(value)).toBeUndefined()
  },
)

test.each([65, 60_000])('refuses what is nested %d levels deep', (levels) => {
  expect(jsonProblem(nested(levels))).toContain('deeper than 64')
})

test('finds text that PostgreSQL cannot store wherever it is', () => {
  const bad = fc.constantFrom('\0', 'a\0b', '\uD800', '\uDC00x', '\uDC00\uD800')
  const around = fc.constantFrom(
    (text: string) => text,
    (text: string) => ({ a: [text, 1] }),
    (text: string) => [{ [text]: 1 }],
  )
  fc.assert(
    fc.property(bad, around, (text, wrap) => {
      expect(jsonProblem(wrap(text))).toContain('surrogate')
    }),
  )
})

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { storableJson, storableText } from './storable.ts'

describe('what PostgreSQL can store', () => {
  it.each([
    ['a\u0000b', 'a\uFFFDb'],
    ['\u0000\u0000', '\uFFFD\uFFFD'],
    ['lone \ud800 surrogate', 'lone \uFFFD surrogate'],
    ['😀 é \\u0000', '😀 é \\u0000'],
  ])('replaces only what it cannot: %j', (text, storable) => {
    expect(storableText(text)).toBe(storable)
    expect(JSON.parse(storableJson({ [text]: text }))).toEqual({ [storable]: storable })
  })

  it('keeps every JSON value without such characters as it is', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const clean = JSON.parse(JSON.stringify(value).replaceAll(String.raw`\u0000`, '')) as unknown
        expect(JSON.parse(storableJson(clean))).toEqual(clean)
      }),
    )
  })

  it('never leaves an escape that PostgreSQL refuses', () => {
    const hostile = fc
      .array(fc.constantFrom('\u0000', '\ud83d', '\ude00', '\\', 'u0000', 'a', '"'))
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(hostile, (text) => {
        const value = JSON.parse(storableJson(text)) as string
        expect(value).toBe(storableText(text))
        expect(value.includes('\u0000') || !value.isWellFormed()).toBe(false)
      }),
    )
  })
})

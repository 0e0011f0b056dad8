import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, findNonJson, type Json, MAX_JSON_DEPTH } from './json.ts'

/** The same value with the keys of all its objects in another order. */
function shuffled(value: Json): Json {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return (value as Json[]).map(shuffled)
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, shuffled(member)]),
  )
}

const json = fc.jsonValue() as fc.Arbitrary<Json>

describe('canonical JSON', () => {
  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('is the same text for the same value, whatever the order of its keys', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value))
      }),
    )
  })

  it('is the same text after the value has travelled', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(JSON.parse(JSON.stringify(value)) as Json)).toBe(canonicalJson(value))
      }),
    )
  })

  it('sorts keys by UTF-16 code unit and writes no white space, as RFC 8785 does', () => {
    const value = { '\u20ac': 1, '\r': 2, '1': 3, '\u0080': 4, '\ud83d\ude00': 5, '\ufb33': 6, ö: 7 }
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":3,"\u0080":4,"ö":7,"€":1,"😀":5,"\ufb33":6}')
    expect(canonicalJson([1, 'a', null, true, { b: [], a: {} }])).toBe('[1,"a",null,true,{"a":{},"b":[]}]')
  })

  it('leaves out what is undefined, as JSON.stringify does', () => {
    expect(canonicalJson({ b: undefined, a: 1 } as unknown as Json)).toBe('{"a":1}')
  })
})

describe('finding what JSON cannot carry', () => {
  it('finds nothing in any JSON value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(findNonJson(value)).toBeUndefined()
      }),
    )
  })

  it('allows an optional property that is undefined, an object without prototype, and the same object twice', () => {
    const shared = { n: 1 }
    expect(findNonJson({ a: undefined })).toBeUndefined()
    expect(findNonJson(Object.assign(Object.create(null), { a: 1 }))).toBeUndefined()
    expect(findNonJson([shared, shared, { shared }])).toBeUndefined()
  })

  it('allows 200 levels and not one more, and does not print a path of any length', () => {
    const nested = (levels: number): unknown => JSON.parse(`${'{"key":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`)
    expect(findNonJson(nested(MAX_JSON_DEPTH))).toBeUndefined()
    for (const levels of [MAX_JSON_DEPTH + 1, 100_000]) {
      const problem = findNonJson(nested(levels))
      expect(problem).toMatch(/^\$(\.key)+.*… is nested more than 200 levels deep$/)
      expect(problem?.length).toBeLessThan(250)
    }
  })

  class Account {
    readonly id = 1
  }
  const cyclicArray: unknown[] = []
  cyclicArray.push({ cyclicArray })

  it.each<[string, unknown, string]>([
    ['undefined', undefined, '$ is undefined'],
    ['undefined in a list', [1, undefined], '$[1] is undefined'],
    ['a hole in a list', Object.assign([], { 1: 'x' }), '$[0] is undefined'],
    ['NaN', { a: { b: Number.NaN } }, '$.a.b is NaN'],
    ['infinity', [Number.NEGATIVE_INFINITY], '$[0] is -Infinity'],
    ['a bigint', { a: [{ b: 10n }] }, '$.a[0].b is a bigint'],
    ['a function', { run: () => 1 }, '$.run is a function'],
    ['a symbol', [Symbol('s')], '$[0] is a symbol'],
    ['a date', new Date(0), '$ is a Date'],
    ['a map', { m: new Map() }, '$.m is a Map'],
    ['bytes', { data: new Uint8Array(2) }, '$.data is a Uint8Array'],
    ['an instance of a class', new Account(), '$ is a Account'],
    ['a cycle', cyclicArray, '$[0].cyclicArray refers back to an object that contains it'],
    ['a promise', { later: Promise.resolve() }, '$.later is a Promise'],
  ])('names the place of %s', (_, value, expected) => {
    expect(findNonJson(value)).toBe(expected)
  })
})

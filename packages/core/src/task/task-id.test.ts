import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from './json.ts'
import { adHocTaskId, argsHash, blockOfTaskId, taskId, type TaskIdentity, uniqueTaskId } from './task-id.ts'

const identity: TaskIdentity = { chain: 'finney', task: 'snapshot', args: { netuid: 3 }, block: { number: 4_000_000 } }
const UUID_V8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const blockNumbers = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const args = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<JsonObject>

describe('the id of a task for a block', () => {
  it('is fixed for ever: another version of this code must compute the same', () => {
    expect(taskId(identity)).toMatchInlineSnapshot(`"0000003d-0900-8f45-bf8c-78d650973ea2"`)
    expect(taskId({ ...identity, block: { number: 7, hash: '0xab' } })).toMatchInlineSnapshot(
      `"00000000-0007-8746-9a6e-53311ce36d4c"`,
    )
    expect(taskId({ chain: 'finney', task: 'snapshot', args: {}, range: { from: 10, to: 20 } })).toMatchInlineSnapshot(
      `"00000000-000a-84fb-84e4-2233fa793091"`,
    )
    expect(uniqueTaskId(identity)).toMatchInlineSnapshot(`"00000000-0000-89e4-a659-96d465376321"`)
  })

  it('is a UUID of version 8 that gives its block back, and the same however often it is computed', () => {
    fc.assert(
      fc.property(blockNumbers, args, (number, given) => {
        const id = taskId({ ...identity, args: given, block: { number } })
        expect(id).toMatch(UUID_V8)
        expect(blockOfTaskId(id)).toBe(number)
        expect(taskId({ ...identity, args: given, block: { number } })).toBe(id)
      }),
    )
  })

  it('sorts by block', () => {
    fc.assert(
      fc.property(fc.uniqueArray(blockNumbers), args, (numbers, given) => {
        const ids = numbers.map((number) => taskId({ ...identity, args: given, block: { number } }))
        expect(ids.toSorted((a, b) => (a < b ? -1 : 1)).map(blockOfTaskId)).toEqual(numbers.toSorted((a, b) => a - b))
      }),
    )
  })

  it('does not depend on the order of keys, at any depth', () => {
    const id = taskId({ ...identity, args: { a: 1, b: { c: [{ d: 1, e: 2 }], f: null } } })
    expect(taskId({ ...identity, args: { b: { f: null, c: [{ e: 2, d: 1 }] }, a: 1 } })).toBe(id)
  })

  it('does not depend on whether the arguments have travelled as JSON', () => {
    const given = { netuid: 3, note: undefined } as unknown as JsonObject
    const travelled = JSON.parse(JSON.stringify(given)) as JsonObject
    expect(taskId({ ...identity, args: given })).toBe(taskId({ ...identity, args: travelled }))
  })

  it('differs by everything that tells one task from another', () => {
    const others: TaskIdentity[] = [
      identity,
      { ...identity, chain: 'polkadot' },
      { ...identity, task: 'snapshot2' },
      { ...identity, args: { netuid: 4 } },
      { ...identity, args: { netuid: '3' } },
      { ...identity, args: {} },
      { ...identity, block: { number: 4_000_001 } },
      { ...identity, block: { number: 4_000_000, hash: '0x01' } },
      { ...identity, block: { number: 4_000_000, hash: '0x02' } },
      { chain: 'finney', task: 'snapshot', args: { netuid: 3 }, range: { from: 4_000_000, to: 4_000_000 } },
      { chain: 'finney', task: 'snapshot', args: { netuid: 3 }, range: { from: 4_000_000, to: 4_000_001 } },
      { chain: 'finney', task: 'snapshot', args: { netuid: 3 } },
      // What the parts say together is the same; where one ends is not.
      { chain: 'finneysnap', task: 'shot', args: { netuid: 3 }, block: { number: 4_000_000 } },
    ]
    expect(new Set([...others.map(taskId), uniqueTaskId(identity)]).size).toBe(others.length + 1)
  })

  it('is never the same for two of 20,000 tasks', () => {
    const ids = new Set<string>()
    for (let number = 0; number < 10_000; number += 1) {
      ids.add(taskId({ ...identity, block: { number } }))
      ids.add(taskId({ ...identity, args: { netuid: 4 }, block: { number } }))
    }
    expect(ids.size).toBe(20_000)
  })
})

it('sorts a range by its first block', () => {
  expect(blockOfTaskId(taskId({ chain: 'c', task: 't', args: {}, range: { from: 12, to: 99 } }))).toBe(12)
})

it('gives a unique task without a block the same id for the same arguments', () => {
  expect(uniqueTaskId({ chain: 'c', task: 't', args: { b: 1, a: 2 } })).toBe(
    uniqueTaskId({ chain: 'c', task: 't', args: { a: 2, b: 1 } }),
  )
  expect(uniqueTaskId({ chain: 'c', task: 't', args: {} })).toMatch(UUID_V8)
})

it('gives every other task without a block an id of its own, which sorts by time', () => {
  const ids = Array.from({ length: 1_000 }, () => adHocTaskId())
  expect(new Set(ids).size).toBe(1_000)
  expect(ids.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(ids)
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
})

it('hashes arguments to 16 hex digits, the same for the same arguments', () => {
  expect(argsHash({ a: 1, b: 2 })).toBe(argsHash({ b: 2, a: 1 }))
  expect(argsHash({})).toMatch(/^[0-9a-f]{16}$/)
  expect(argsHash({ a: 1 })).not.toBe(argsHash({ a: 2 }))
})

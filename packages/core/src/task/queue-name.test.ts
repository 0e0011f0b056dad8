import { describe, expect, it } from 'vitest'
import { DEFAULT_PRIORITY, laneOf } from './lane.ts'
import { assertQueueName, isQueueName } from './queue-name.ts'

describe('the name of a queue', () => {
  it.each(['default', 'high-priority', 'a', '0', 'a_b-c', 'x'.repeat(64)])('may be %s', (name) => {
    expect(isQueueName(name)).toBe(true)
  })

  it.each(['', 'a.b', 'A', '-a', '_a', 'a b', 'é', '#', '*', 'a\n', 'x'.repeat(65)])('may not be %j', (name) => {
    expect(isQueueName(name)).toBe(false)
    expect(() => assertQueueName(name, 'queue of task x')).toThrow(`queue of task x is ${JSON.stringify(name)}.`)
  })
})

it('puts lower priorities than the default on the high lane and higher ones on the low lane', () => {
  expect([-1, 0, 9].map(laneOf)).toEqual(['high', 'high', 'high'])
  expect(laneOf(DEFAULT_PRIORITY)).toBe('normal')
  expect([11, 1_000].map(laneOf)).toEqual(['low', 'low'])
})

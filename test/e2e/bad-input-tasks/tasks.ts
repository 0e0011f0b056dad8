import { defineTask } from '@blockmill/core'
import { Type } from 'typebox'

const queue = 'bad-input'

/** Takes a word, and gives it back. */
export const echo = defineTask({
  name: 'echo',
  queue,
  schema: Type.Object({ word: Type.Optional(Type.String()) }),
  run: ({ args }) => ({ word: args.word ?? null }),
})

export const returnsBigInt = defineTask({ name: 'returns-bigint', queue, run: () => ({ balance: 1n }) })

export const returnsCycle = defineTask({
  name: 'returns-cycle',
  queue,
  run() {
    const result: { self?: unknown } = {}
    result.self = result
    return result
  },
})

export const returnsTooMuch = defineTask({ name: 'returns-too-much', queue, run: () => 'x'.repeat(300_000) })

export const returnsTooDeep = defineTask({ name: 'returns-too-deep', queue, run: () => nested(100_000) })

export const throwsTooMuch = defineTask({
  name: 'throws-too-much',
  queue,
  run() {
    throw new Error('y'.repeat(5_000_000))
  },
})

export const throwsNothing = defineTask({
  name: 'throws-nothing',
  queue,
  // What a library may do, and nobody should.
  run: () => Promise.reject(null),
})

function nested(depth: number): unknown {
  let value: unknown = 0
  for (let level = 0; level < depth; level += 1) value = [value]
  return value
}

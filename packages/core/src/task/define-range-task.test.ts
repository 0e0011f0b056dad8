import { Type } from 'typebox'
import { describe, expect, expectTypeOf, it } from 'vitest'

import type { ChainAccess } from '../chain/chain-access.ts'
import type { BlockRange } from '../range/block-range.ts'
import {
  type AnyRangeTaskDefinition,
  defineRangeTask,
  isRangeTaskDefinition,
  type RangeTaskOptions,
} from './define-range-task.ts'
import { defineTask, isTaskDefinition } from './define-task.ts'
import type { Json, JsonObject } from './json.ts'
import { createTaskRegistry } from './registry.ts'

const run = (): void => undefined

/** Options as a caller without types might write them. */
function define(options: Record<string, unknown>): AnyRangeTaskDefinition {
  const untyped = { name: 'noop', run, ...options } as unknown as RangeTaskOptions<JsonObject, unknown>
  return defineRangeTask(untyped as typeof untyped & { schema: never })
}

describe('a range task definition', () => {
  it('has its defaults in place', () => {
    const definition = defineRangeTask({ name: 'noop', run })
    expect(definition).toEqual({
      kind: 'range-task',
      name: 'noop',
      queue: 'default',
      chainKind: 'any',
      retry: {},
      isolation: 'none',
      batchSize: 1_000_000,
      minBatch: 1,
      run,
    })
    expect(isRangeTaskDefinition(definition)).toBe(true)
    expect(isTaskDefinition(definition)).toBe(false)
  })

  it('keeps what it was given', () => {
    const given = {
      queue: 'slow',
      priority: 5,
      chainKind: 'evm',
      chains: ['dev'],
      batchSize: 10_000,
      minBatch: 10,
    } as const
    expect(defineRangeTask({ name: 'kept', ...given, timeout: '1h', run })).toMatchObject({
      ...given,
      timeoutMs: 3_600_000,
    })
  })

  it('has batches that are no smaller than the smallest', () => {
    expect(defineRangeTask({ name: 'large', minBatch: 5_000_000, run }).batchSize).toBe(5_000_000)
  })

  it.each([
    ['without a name', { name: undefined }, /name is undefined/],
    ['without a handler', { run: undefined }, /run is undefined; it must be a function/],
    ['with a dot in its queue', { queue: 'a.b' }, /queue is "a\.b"/],
    ['with an unknown kind of chain', { chainKind: 'solana' }, /chainKind is "solana"/],
    ['with batches of no block', { batchSize: 0 }, /batchSize is 0; it must be a whole number from 1/],
    ['with half a block', { minBatch: 0.5 }, /minBatch is 0\.5/],
    [
      'with a smallest batch above the usual one',
      { batchSize: 10, minBatch: 11 },
      /minBatch is 11 and batchSize is 10/,
    ],
    ['with a retry policy that breaks its rules', { retry: { maxAttempts: 0 } }, /retry\.maxAttempts is 0/],
  ])('is refused %s', (_, options, problem) => {
    expect(() => define(options)).toThrow(problem)
    expect(() => define(options)).toThrow(expect.objectContaining({ code: 'TASK_DEFINITION_INVALID' }))
  })

  it('infers the types of its context from the schema and the kind of chain', () => {
    defineRangeTask({
      name: 'typed',
      schema: Type.Object({ address: Type.String() }),
      chainKind: 'evm',
      async run({ range, args, chain, emit, checkpoint, cursor, throttle }) {
        expectTypeOf(range).toEqualTypeOf<BlockRange>()
        expectTypeOf(args.address).toEqualTypeOf<string>()
        expectTypeOf(chain).toEqualTypeOf<ChainAccess<'evm'>>()
        expectTypeOf(emit).parameter(0).toEqualTypeOf<readonly JsonObject[]>()
        expectTypeOf(checkpoint).parameter(0).toEqualTypeOf<Json>()
        expectTypeOf(cursor).toEqualTypeOf<Json | undefined>()
        expectTypeOf(throttle).returns.toEqualTypeOf<Promise<void>>()
      },
    })
    expectTypeOf(defineRangeTask({ name: 'any', run })).toExtend<AnyRangeTaskDefinition>()
  })
})

describe('a registry', () => {
  const block = defineTask({ name: 'b', run })
  const range = defineRangeTask({ name: 'a', run })

  it('keeps range tasks apart from those for blocks', () => {
    const registry = createTaskRegistry([
      { definition: block, file: 'b.ts' },
      { definition: range, file: 'a.ts' },
    ])
    expect(registry.list()).toEqual([{ definition: block, file: 'b.ts' }])
    expect(registry.listRangeTasks()).toEqual([{ definition: range, file: 'a.ts' }])
    expect([registry.get('a'), registry.getRangeTask('b')]).toEqual([undefined, undefined])
    expect([registry.get('b'), registry.getRangeTask('a')]).toEqual([block, range])
  })

  it('has one name space for both', () => {
    const found = [
      { definition: block, file: 'b.ts' },
      { definition: defineRangeTask({ name: 'b', run }), file: 'ranges.ts' },
    ]
    expect(() => createTaskRegistry(found)).toThrow("Two tasks are named 'b': one in b.ts, one in ranges.ts")
  })
})

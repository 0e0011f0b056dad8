import { Type } from 'typebox'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { ChainAccess } from '../chain/chain-access.ts'
import { everyBlock, everyNBlocks } from './condition.ts'
import {
  type AnyTaskDefinition,
  defineTask,
  isTaskDefinition,
  type TaskContext,
  type TaskOptions,
} from './define-task.ts'
import type { JsonObject } from './json.ts'
import type { StandardSchema } from './task-args.ts'

const run = (): void => undefined

/** Options as a caller without types might write them. */
function define(options: Record<string, unknown>): AnyTaskDefinition {
  const untyped = { name: 'noop', run, ...options } as unknown as TaskOptions<JsonObject, unknown> & { schema: never }
  return defineTask(untyped)
}

describe('a task definition', () => {
  it('has its defaults in place', () => {
    const definition = defineTask({ name: 'noop', run })
    expect(definition).toEqual({
      kind: 'task',
      name: 'noop',
      condition: everyBlock,
      args: [{}],
      queue: 'default',
      priority: 10,
      head: 'finalized',
      chainKind: 'substrate',
      backfill: { lookback: 0, queue: 'default', chunk: 1 },
      retry: {},
      isolation: 'none',
      run,
    })
    expect(isTaskDefinition(definition)).toBe(true)
  })

  it('keeps what it was given', () => {
    const args = (): { netuid: number }[] => []
    const condition = everyNBlocks(100)
    expect(
      defineTask({
        name: 'snapshot-subnet',
        condition,
        args,
        queue: 'high-priority',
        priority: 0,
        head: 'latest',
        chains: ['finney'],
        backfill: { lookback: 300, queue: 'slow', chunk: 500 },
        retry: { maxAttempts: 50, jitter: true },
        maxPostpones: null,
        timeout: '25m',
        isolation: 'process',
        maxTasksPerChild: 100,
        maxMemoryPerChild: '512MiB',
        run,
      }),
    ).toMatchObject({
      condition,
      args,
      queue: 'high-priority',
      priority: 0,
      head: 'latest',
      chains: ['finney'],
      backfill: { lookback: 300, queue: 'slow', chunk: 500 },
      retry: { maxAttempts: 50, jitter: true },
      maxPostpones: null,
      timeoutMs: 1_500_000,
      isolation: 'process',
      maxTasksPerChild: 100,
      maxMemoryPerChildBytes: 536_870_912,
    })
  })

  it('back-fills on its own queue unless told otherwise', () => {
    expect(defineTask({ name: 'noop', queue: 'slow', run }).backfill.queue).toBe('slow')
  })

  it('may have no arguments at all, which means no runs', () => {
    expect(defineTask<{ n: number }>({ name: 'noop', args: [], run }).args).toEqual([])
  })

  it.each([undefined, null, 'task', {}, { kind: 'task' }, { kind: 'range-task', run }])('is not %j', (value) => {
    expect(isTaskDefinition(value)).toBe(false)
  })
})

describe('a definition is refused', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['without a name', { name: undefined }, /name is undefined/],
    ['with an empty name', { name: '' }, /name is ""/],
    ['with spaces in its name', { name: 'a b' }, /name is "a b"/],
    ['with a name of 129 characters', { name: 'x'.repeat(129) }, /name is "x+"/],
    ['with a number for a name', { name: 7 }, /name is 7/],
    ['without a handler', { run: undefined }, /run is undefined; it must be a function/],
    ['with a condition that is not a function', { condition: true }, /condition is true/],
    ['with a dot in its queue', { queue: 'a.b' }, /queue is "a\.b".*dots part routing keys/],
    ['with capitals in its queue', { queue: 'Slow' }, /queue is "Slow"/],
    ['with a dot in its back-fill queue', { backfill: { queue: 'a.b' } }, /backfill\.queue is "a\.b"/],
    ['with a fraction of a priority', { priority: 1.5 }, /priority is 1\.5/],
    ['with an unknown head', { head: 'best' }, /head is "best".*finalized, latest/],
    ['with a negative lookback', { backfill: { lookback: -1 } }, /backfill\.lookback is -1/],
    ['with a chunk of 501', { backfill: { chunk: 501 } }, /backfill\.chunk is 501; .*from 1 to 500/],
    ['with a chunk of 0', { backfill: { chunk: 0 } }, /backfill\.chunk is 0/],
    ['with a negative start block', { startBlock: -1 }, /startBlock is -1; it must be a whole number/],
    ['with a negative limit of postpones', { maxPostpones: -1 }, /maxPostpones is -1/],
    ['with a timeout of zero', { timeout: 0 }, /timeout is 0; it must be from 1ms to 7d/],
    ['with a timeout of zero in words', { timeout: '0s' }, /timeout is "0s"/],
    ['with a timeout that a timer cannot hold', { timeout: '30d' }, /timeout is "30d"/],
    ['with a timeout without a unit', { timeout: '25' }, /timeout is "25", which is not a duration/],
    ['with a list of chains that is none', { chains: 'finney' }, /chains is "finney"/],
    ['with no chain', { chains: [] }, /chains is \[\]/],
    ['with an unknown isolation', { isolation: 'container' }, /isolation is "container".*none, thread, process/],
    ['with zero tasks per child', { isolation: 'thread', maxTasksPerChild: 0 }, /maxTasksPerChild is 0; .*from 1 up/],
    ['with half a task per child', { isolation: 'thread', maxTasksPerChild: 0.5 }, /maxTasksPerChild is 0\.5/],
    [
      'with less memory per child than Node itself takes',
      { isolation: 'process', maxMemoryPerChild: '1MiB' },
      /maxMemoryPerChild is "1MiB"; it must be at least 16 MiB/,
    ],
    [
      'with memory per child without a unit',
      { isolation: 'process', maxMemoryPerChild: '512' },
      /maxMemoryPerChild is "512", which is not a size/,
    ],
    ['with tasks per child but without one', { maxTasksPerChild: 5 }, /maxTasksPerChild is 5, but .*not isolated/],
    ['with memory per child but without one', { maxMemoryPerChild: '1GB' }, /maxMemoryPerChild is 1GB, but .*not isol/],
    ['with a retry policy that breaks its rules', { retry: { maxAttempts: 0 } }, /retry\.maxAttempts is 0/],
    ['with arguments that are no list', { args: { netuid: 1 } }, /args is \{"netuid":1\}/],
    ['with an argument that is no object', { args: [1] }, /args\[0\] is 1; it must be an object/],
    ['with a bigint for an argument', { args: [1n] }, /args\[0\] is 1n/],
    ['with a bigint in its arguments', { args: [{}, { n: 1n }] }, /args\[1\]\.n is a bigint/],
    ['with arguments over 64 KiB', { args: [{ s: 'x'.repeat(65_536) }] }, /args\[0\] is 65544 bytes/],
    [
      'with arguments that its schema refuses',
      { schema: Type.Object({ netuid: Type.Integer() }), args: [{ netuid: 1 }, { netuid: 'one' }] },
      /args\[1\]\.netuid/,
    ],
  ])('%s', (_, options, problem) => {
    expect(() => define(options)).toThrow(problem)
    expect(() => define(options)).toThrow(expect.objectContaining({ code: 'TASK_DEFINITION_INVALID' }))
  })

  it('with all its problems at once', () => {
    const wrong = { name: 'a b', queue: 'A', priority: 0.5, timeout: -1, retry: { maxAttempts: 0 }, args: [1] }
    const problemsOf = (): unknown => define(wrong)
    expect(problemsOf).toThrow(/Task "a b" is not valid:(\n {2}- .+){6}$/)
  })
})

describe('types', () => {
  it('of arguments and result are inferred from the definition', () => {
    const definition = defineTask({
      name: 'typed',
      args: [{ netuid: 1, label: 'a' }],
      condition: (block, args) => {
        expectTypeOf(args).toEqualTypeOf<{ netuid: number; label: string }>()
        return block.number % args.netuid === 0
      },
      run({ args, block, chain, signal, taskId, attempt }) {
        expectTypeOf(args).toEqualTypeOf<{ netuid: number; label: string }>()
        expectTypeOf(block.number).toEqualTypeOf<number>()
        expectTypeOf(block.hash).toEqualTypeOf<string | undefined>()
        expectTypeOf(chain).toEqualTypeOf<ChainAccess>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        expectTypeOf(taskId).toEqualTypeOf<string>()
        expectTypeOf(attempt).toEqualTypeOf<number>()
        return { neurons: args.netuid }
      },
    })
    expectTypeOf(definition.run).returns.toEqualTypeOf<{ neurons: number } | Promise<{ neurons: number }>>()
  })

  it('of arguments may come from a function that lists them', () => {
    defineTask({
      name: 'listed',
      args: async () => [{ netuid: 1 }],
      run: ({ args }) => expectTypeOf(args).toEqualTypeOf<{ netuid: number }>(),
    })
  })

  it('of arguments come from a TypeBox schema', () => {
    const schema = Type.Object({ netuid: Type.Integer(), note: Type.Optional(Type.String()) })
    defineTask({
      name: 'typebox',
      schema,
      args: [{ netuid: 1 }],
      run({ args }) {
        expectTypeOf(args.netuid).toEqualTypeOf<number>()
        expectTypeOf(args.note).toEqualTypeOf<string | undefined>()
      },
    })
    // @ts-expect-error -- a text is no integer
    expect(() => defineTask({ name: 'typebox', schema, args: [{ netuid: 'one' }], run })).toThrow(/netuid/)
  })

  it('of arguments come from any Standard Schema', () => {
    const schema: StandardSchema<{ address: string }> = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as { address: string } }) },
    }
    defineTask({
      name: 'standard',
      schema,
      args: [{ address: '5F' }],
      run: ({ args }) => expectTypeOf(args.address).toEqualTypeOf<string>(),
    })
  })

  it('of a task without arguments has none to read', () => {
    defineTask({
      name: 'bare',
      run: ({ args }) => expectTypeOf(args).toEqualTypeOf<Record<string, never>>(),
    })
  })

  it('refuse a handler for other arguments, and let any definition be listed', () => {
    const handler = (context: TaskContext<{ address: string }>): string => context.args.address
    // @ts-expect-error -- the arguments are numbers
    defineTask({ name: 'mismatch', args: [{ address: 1 }], run: handler })
    expectTypeOf(defineTask({ name: 'any', args: [{ n: 1 }], run })).toExtend<AnyTaskDefinition>()
  })
})

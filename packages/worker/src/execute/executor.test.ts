import {
  type AnyTaskDefinition,
  Cancel,
  createSilentLogger,
  defineTask,
  Postpone,
  type SubstrateAccess,
  type TaskContext,
} from '@blockmill/core'
import { recordEnqueues } from '@blockmill/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { item, unit } from '../../test/messages.ts'
import { noRange } from '../../test/no-range.ts'
import { createAttempt } from './attempt.ts'
import { createExecutor, type ExecutorOptions } from './executor.ts'

const chain = { id: 'dev', kind: 'substrate' } as SubstrateAccess

function run(
  definition: AnyTaskDefinition,
  options: Partial<ExecutorOptions> & { work?: ReturnType<typeof unit> } = {},
) {
  const { work = unit(definition), ...overrides } = options
  const [first = item(1)] = work.items
  const attempt = createAttempt(work, first, 0)
  const execute = createExecutor({
    logger: createSilentLogger(),
    chain,
    enqueueFor: () => recordEnqueues().enqueue,
    stuckGraceMs: 5_000,
    onProgress: () => undefined,
    onStuck: () => undefined,
    range: noRange,
    ...overrides,
  })
  return execute(attempt)
}

function task(
  handler: (context: TaskContext<Record<string, never>>) => unknown,
  timeoutMs?: number,
): AnyTaskDefinition {
  return defineTask({ name: 'noop', run: handler, ...(timeoutMs !== undefined && { timeout: timeoutMs }) })
}

describe('a handler', () => {
  it('gets its block, arguments, chain, task id and attempt, and may spread its context', async () => {
    const definition = task((context) => {
      const { block, args, taskId, attempt, chain: given } = { ...context }
      return { block, args, taskId, attempt, same: given === chain }
    })
    const work = unit(definition, { attempt: 2, items: [item(7, { netuid: 3 })] })
    expect(await run(definition, { work })).toEqual({
      type: 'succeeded',
      result: { block: { number: 7 }, args: { netuid: 3 }, taskId: item(7).id, attempt: 2, same: true },
    })
  })

  it('fails when it reads the block of a task that has none, or the chain of a worker that has none', async () => {
    const blockless = unit(
      task(() => undefined),
      { items: [{ id: item(1).id, args: {} }] },
    )
    const readsBlock = await run(
      task(({ block }) => block.number),
      { work: { ...blockless, definition: task(({ block }) => block.number) } },
    )
    expect(readsBlock).toMatchObject({ type: 'failed', error: { code: 'TASK_WITHOUT_BLOCK' } })
    const readsChain = await run(
      task((context) => context.chain.id),
      { chain: undefined },
    )
    expect(readsChain).toMatchObject({
      type: 'failed',
      error: { message: expect.stringContaining('CHAIN_URL') as string },
    })
  })

  it('enqueues tasks of its own family, which are not unique unless it says so', async () => {
    const { enqueue, enqueued } = recordEnqueues()
    const child = defineTask({ name: 'child', run: () => undefined })
    const parent = task(async ({ enqueue: next }) => {
      await next(child, {})
      await next(child, {}, { priority: 0, parentId: item(9).id })
    })
    const work = (changes: object) => unit(parent, { items: [item(7)], ...changes })
    await run(parent, { work: work({}), enqueueFor: () => enqueue })
    await run(parent, { work: work({ rootId: item(3).id }), enqueueFor: () => enqueue })
    expect(enqueued.map(({ options: { unique, parentId, rootId } }) => ({ unique, parentId, rootId }))).toEqual([
      { unique: false, parentId: item(7).id, rootId: item(7).id },
      { unique: false, parentId: item(9).id, rootId: item(7).id },
      { unique: false, parentId: item(7).id, rootId: item(3).id },
      { unique: false, parentId: item(9).id, rootId: item(3).id },
    ])
  })

  it('fails when it asks for a unique task of a worker without a database', async () => {
    const child = defineTask({ name: 'child', run: () => undefined })
    const parent = task(({ enqueue }) => enqueue(child, {}, { unique: true }))
    expect(await run(parent)).toMatchObject({
      type: 'failed',
      error: { code: 'CONFIG_INVALID', message: expect.stringContaining('database') as string },
    })
  })

  it('without a block or chain to read may still spread its context', async () => {
    const definition = task((context) => Object.keys({ ...context }).includes('args'))
    const blockless = unit(definition, { items: [{ id: item(1).id, args: {} }] })
    expect(await run(definition, { work: blockless, chain: undefined })).toEqual({ type: 'succeeded', result: true })
  })

  it('may return nothing', async () => {
    expect(await run(task(() => undefined))).toEqual({ type: 'succeeded' })
    expect(await run(task(async () => undefined))).toEqual({ type: 'succeeded' })
  })

  it('postpones, cancels or fails by what it throws, at once or later', async () => {
    expect(
      await run(
        task(() => {
          throw new Postpone('5m', 'too early')
        }),
      ),
    ).toEqual({ type: 'postponed', delayMs: 300_000, reason: 'too early' })
    expect(
      await run(
        task(async () => {
          throw new Postpone()
        }),
      ),
    ).toMatchObject({ type: 'postponed', delayMs: undefined })
    expect(
      await run(
        task(() => {
          throw new Cancel('pointless')
        }),
      ),
    ).toEqual({ type: 'cancelled', reason: 'pointless' })
    expect(
      await run(
        task(async () => {
          throw new TypeError('boom')
        }),
      ),
    ).toMatchObject({
      type: 'failed',
      error: { name: 'TypeError', message: 'boom', classes: ['TypeError', 'Error'] },
    })
  })

  it('steers with the classes of another copy of the core as well', async () => {
    class OtherPostpone extends Error {
      override readonly name = 'Postpone'
      readonly delayMs = -1
    }
    expect(
      await run(
        task(() => {
          throw new OtherPostpone('later')
        }),
      ),
    ).toEqual({ type: 'postponed', delayMs: undefined, reason: 'later' })
  })

  it.each([
    ['a string', 'boom'],
    ['nothing', undefined],
    [
      'an object that cannot be inspected',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no')
          },
        },
      ),
    ],
    ['an error with a message of another type', Object.assign(new Error('x'), { message: { deep: 1 } })],
    [
      'an error whose name cannot be read',
      Object.defineProperty(new Error('x'), 'name', {
        get: () => {
          throw new Error('no')
        },
      }),
    ],
  ])('may throw %s: the attempt fails like any other', async (_, thrown) => {
    const outcome = await run(
      task(() => {
        throw thrown as Error
      }),
    )
    expect(outcome.type).toBe('failed')
    expect(() => JSON.stringify(outcome)).not.toThrow()
  })
})

describe('a result', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown

  it.each([
    ['a bigint', { rows: [{ amount: 1n }] }, /result\.rows\[0\]\.amount is a bigint/],
    ['a cycle', cyclic, /result\.self refers back/],
    ['not a number', { ratio: Number.NaN }, /result\.ratio is NaN/],
    ['a date', { at: new Date(0) }, /result\.at is a Date/],
    ['a map', new Map(), /result is a Map/],
    ['a function', { f: () => 1 }, /result\.f is a function/],
    ['a hole', [undefined], /result\[0\] is undefined/],
    ['an own toJSON', { toJSON: () => 1n }, /toJSON is a function/],
    ['more levels than any reader takes', { rows: deep }, /result\.rows(\[0\])+.* is nested more than 200 levels deep/],
  ])('with %s fails the attempt and names the place', async (_, result, error) => {
    expect(await run(task(() => result))).toMatchObject({
      type: 'failed',
      error: { code: 'RESULT_NOT_JSON', message: expect.stringMatching(error) as string },
    })
  })

  it('may be 256 KiB of JSON, and not a byte more', async () => {
    const fits = 'x'.repeat(256 * 1024 - 2)
    expect((await run(task(() => fits))).type).toBe('succeeded')
    expect(await run(task(() => `${fits}x`))).toMatchObject({
      type: 'failed',
      error: { code: 'RESULT_TOO_LARGE', message: expect.stringContaining('262145 bytes') as string },
    })
  })
})

describe('a timeout', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('aborts the signal; a handler that heeds it has timed out', async () => {
    let reason: unknown
    const outcome = run(
      task(
        ({ signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              reason = signal.reason
              reject(signal.reason as Error)
            })
          }),
        1_000,
      ),
    )
    await vi.advanceTimersByTimeAsync(999)
    expect(reason).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome).toMatchObject({ type: 'failed', error: { code: 'TASK_TIMED_OUT' } })
    expect(reason).toMatchObject({ code: 'TASK_TIMED_OUT' })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('counts even when the handler returns within the grace', async () => {
    const outcome = run(task(() => new Promise((resolve) => void setTimeout(resolve, 3_000)), 1_000))
    await vi.advanceTimersByTimeAsync(3_000)
    expect(await outcome).toMatchObject({ type: 'failed', error: { code: 'TASK_TIMED_OUT' } })
  })

  it('gives up a handler that goes on past the grace as stuck', async () => {
    const onStuck = vi.fn<ExecutorOptions['onStuck']>()
    const outcome = run(
      task(() => new Promise(() => undefined), 1_000),
      { onStuck },
    )
    await vi.advanceTimersByTimeAsync(5_999)
    expect(onStuck).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(await outcome).toMatchObject({ type: 'failed', error: { code: 'TASK_STUCK' } })
    expect(onStuck).toHaveBeenCalledOnce()
  })

  it('leaves no timer behind when the handler ends in time', async () => {
    expect(await run(task(() => 'done', 1_000))).toEqual({ type: 'succeeded', result: 'done' })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('progress', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('is passed on at once, then at most twice a second with the latest, and never after the end', async () => {
    const reports: (number | undefined)[][] = []
    const gate = Promise.withResolvers<void>()
    let late: (() => void) | undefined
    const outcome = run(
      task(async ({ progress }) => {
        late = () => progress(99)
        for (let done = 1; done <= 50; done += 1) {
          progress(done, 100)
          await new Promise((resolve) => void setTimeout(resolve, 20))
        }
        await gate.promise
      }),
      { onProgress: (_, done, total) => reports.push([done, total]) },
    )
    await vi.advanceTimersByTimeAsync(1_100)
    expect(reports).toEqual([
      [1, 100],
      [25, 100],
      [50, 100],
    ])
    gate.resolve()
    await outcome
    late?.()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(reports).toHaveLength(3)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that is not a number is dropped, and the task goes on', async () => {
    const onProgress = vi.fn<ExecutorOptions['onProgress']>()
    const outcome = await run(
      task(({ progress }) => progress(0 / 0, Number.POSITIVE_INFINITY)),
      { onProgress },
    )
    expect(outcome).toEqual({ type: 'succeeded' })
    expect(onProgress).not.toHaveBeenCalled()
  })
})

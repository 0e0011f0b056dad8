import { argsHash, defineTask, type JsonObject, type StandardSchema, type TaskArgs } from '@blockmill/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { resolveArgs } from './resolve-args.ts'

const integerNetuid: StandardSchema<{ netuid: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      Number.isInteger((value as { netuid: unknown }).netuid)
        ? { value: value as { netuid: number } }
        : { issues: [{ message: 'must be an integer', path: ['netuid'] }] },
  },
}

const task = (args: TaskArgs<JsonObject>) => defineTask<JsonObject, null>({ name: 'snapshot', args, run: () => null })

describe('resolveArgs', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('gives the list, each set with its hash', async () => {
    expect(await resolveArgs(task([{ netuid: 1 }, { netuid: 3 }]))).toEqual([
      { args: { netuid: 1 }, argsHash: argsHash({ netuid: 1 }) },
      { args: { netuid: 3 }, argsHash: argsHash({ netuid: 3 }) },
    ])
  })

  it('gives one empty set for a task without arguments', async () => {
    const resolved = await resolveArgs(defineTask({ name: 'plain', run: () => null }))
    expect(resolved).toEqual([{ args: {}, argsHash: argsHash({}) }])
  })

  it('asks a function anew each time, whether it answers at once or later', async () => {
    let netuid = 0
    const counting = task(() => [{ netuid: (netuid += 1) }])
    expect((await resolveArgs(counting))[0]?.args).toEqual({ netuid: 1 })
    expect((await resolveArgs(counting))[0]?.args).toEqual({ netuid: 2 })
    expect((await resolveArgs(task(async () => [{ netuid: 9 }])))[0]?.args).toEqual({ netuid: 9 })
  })

  it('counts equal sets once, however their keys are ordered', async () => {
    expect(
      await resolveArgs(
        task(() => [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ]),
      ),
    ).toHaveLength(1)
  })

  it('passes on what the function throws', async () => {
    const broken = task(() => {
      throw new Error('no netuids today')
    })
    await expect(resolveArgs(broken)).rejects.toThrow('no netuids today')
  })

  it('refuses an answer that is no list, naming it', async () => {
    await expect(resolveArgs(task((() => 'all') as never))).rejects.toThrow('args() answered "all"')
  })

  it('names each set that breaks a rule', async () => {
    const checked = defineTask({
      name: 'checked',
      schema: integerNetuid,
      args: () => [{ netuid: 1 }, { netuid: 'three' as never }],
      run: () => null,
    })
    await expect(resolveArgs(checked)).rejects.toThrow('args()[1].netuid: must be an integer')
    await expect(resolveArgs(task(() => [{ at: new Date() as never }]))).rejects.toThrow('args()[0].at')
  })

  it('gives up on a function that takes longer than ten seconds', async () => {
    const resolving = resolveArgs(task(() => new Promise(() => undefined)))
    const expected = expect(resolving).rejects.toThrow('had not answered after 10000 ms')
    await vi.advanceTimersByTimeAsync(10_000)
    await expected
    expect(vi.getTimerCount()).toBe(0)
  })
})

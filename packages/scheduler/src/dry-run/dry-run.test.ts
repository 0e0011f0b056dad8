import { argsHash, defineTask, everyNBlocks } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it } from 'vitest'

import { dryRun, type DryRunProgress } from './dry-run.ts'

const run = () => null
const tenth = defineTask({ name: 'tenth', condition: everyNBlocks(10), backfill: { queue: 'slow' }, run })
const odd = defineTask({ name: 'odd', condition: ({ number }) => number % 2 === 1, run })

describe('a dry run', () => {
  it('counts the tasks of a range, both ends included, on the back-fill queue and the low lane', async () => {
    const found = await dryRun({ definition: tenth, range: { from: 100, to: 1_000_000 } })
    expect(found).toMatchObject({
      task: 'tenth',
      queue: 'slow',
      lane: 'low',
      blocks: 999_901,
      tasks: 99_991,
      failed: 0,
    })
    expect(found.runs).toMatchObject([{ args: {}, count: 99_991, first: 100, last: 1_000_000, listed: [] }])
  })

  it('leaves out evaluated blocks, unless it is forced to count them', async () => {
    const options = {
      definition: odd,
      range: { from: 1, to: 100 },
      evaluated: (hash: string) => (hash === argsHash({}) ? [{ from: 11, to: 90 }] : []),
    }
    expect(await dryRun(options)).toMatchObject({ blocks: 20, tasks: 10, runs: [{ evaluatedBefore: 80 }] })
    expect(await dryRun({ ...options, force: true })).toMatchObject({ blocks: 100, tasks: 50 })
  })

  it('counts each set of arguments by itself, or the one that is asked for', async () => {
    const definition = defineTask({
      name: 'nets',
      args: async () => [{ netuid: 2 }, { netuid: 5 }],
      condition: ({ number }, { netuid }) => number % netuid === 0,
      run,
    })
    const range = { from: 1, to: 10 }
    const all = await dryRun({ definition, range, list: 3 })
    expect(all).toMatchObject({ tasks: 7, blocks: 20 })
    expect(all.runs.map(({ args, count, listed }) => ({ args, count, listed }))).toEqual([
      { args: { netuid: 2 }, count: 5, listed: [2, 4, 6] },
      { args: { netuid: 5 }, count: 2, listed: [5, 10] },
    ])
    expect(await dryRun({ definition, range, args: { netuid: 3 } })).toMatchObject({ tasks: 3 })
  })

  it('tells which blocks failed and goes on behind them', async () => {
    const definition = defineTask({
      name: 'fragile',
      condition: ({ number }) => {
        if (number % 25 === 0) throw new Error(`no ${number}`)
        return true
      },
      run,
    })
    const found = await dryRun({ definition, range: { from: 1, to: 100 } })
    expect(found).toMatchObject({ blocks: 100, tasks: 96, failed: 4 })
    expect(found.runs[0]?.failures.map(({ block }) => block)).toEqual([25, 50, 75, 100])
    expect(found.runs[0]?.failures[0]?.error).toMatchObject({ message: 'no 25' })
  })

  it('counts what answers later, and what rejects as failed', async () => {
    const definition = defineTask({
      name: 'later',
      condition: async ({ number }) => {
        if (number === 20) throw new Error('the node is gone')
        return number % 2 === 0
      },
      run,
    })
    const found = await dryRun({ definition, range: { from: 1, to: 50 } })
    expect(found).toMatchObject({ tasks: 24, failed: 1, runs: [{ failures: [{ block: 20 }], first: 2, last: 50 }] })
  })

  it('counts a condition that reads the chain as failed where there is none', async () => {
    const definition = defineTask({
      name: 'reads',
      condition: (_block, _args, { chain }) => chain.kind === 'substrate',
      run,
    })
    const found = await dryRun({ definition, range: { from: 1, to: 3 } })
    expect(found).toMatchObject({
      tasks: 0,
      failed: 3,
      runs: [{ failures: [{ error: { code: 'CHAIN_UNREACHABLE' } }, {}, {}] }],
    })
  })

  it('tells at most twenty failures, and counts all', async () => {
    const definition = defineTask({ name: 'broken', condition: () => undefined as never, run })
    const found = await dryRun({ definition, range: { from: 1, to: 1_000 } })
    expect(found.failed).toBe(1_000)
    expect(found.runs[0]?.failures).toHaveLength(20)
  })

  it('gives conditions on the latest head the hash of each block', async () => {
    const seen: (string | undefined)[] = []
    const definition = defineTask({ name: 'latest', head: 'latest', condition: ({ hash }) => seen.push(hash) > 0, run })
    const source = createScriptedChain({ head: 600 })
    expect(await dryRun({ definition, source, range: { from: 1, to: 600 } })).toMatchObject({ tasks: 600 })
    expect(seen).toEqual(await source.hashes(Array.from({ length: 600 }, (_, index) => index + 1)))
  })

  it('tells its progress up to the end, and lets timers run in between', async () => {
    const told: DryRunProgress[] = []
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 0)
    await dryRun({ definition: odd, range: { from: 1, to: 300_000 }, onProgress: (progress) => told.push(progress) })
    clearInterval(timer)
    expect(told.length).toBeGreaterThan(10)
    expect(told.at(-1)).toEqual({ done: 300_000, total: 300_000 })
    expect(ticks).toBeGreaterThan(0)
  })

  it('refuses a range that is upside down', async () => {
    await expect(dryRun({ definition: odd, range: { from: 9, to: 8 } })).rejects.toMatchObject({
      code: 'RANGE_INVALID',
    })
  })

  it('ends with the reason when it is aborted', async () => {
    const over = new AbortController()
    const onProgress = () => over.abort(new Error('enough'))
    const range = { from: 0, to: Number.MAX_SAFE_INTEGER }
    await expect(dryRun({ definition: odd, range, signal: over.signal, onProgress })).rejects.toThrow('enough')
  })
})

import type { BlockRange } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createTaskCoverage } from './task-coverage.ts'

const coverageWith = (add: () => Promise<void> = async () => undefined) =>
  createTaskCoverage(
    {
      task: 'snapshot',
      argsHash: 'hash',
      args: {},
      head: 'finalized',
      startBlock: 10,
      liveFrom: 10,
      evaluated: [{ from: 10, to: 19 }],
    },
    { add, inTurn: (write) => write() },
  )
const all: BlockRange = { from: 10, to: 50 }

describe('createTaskCoverage', () => {
  it('misses what is neither evaluated nor claimed', () => {
    const coverage = coverageWith()
    const claim = coverage.claim({ from: 30, to: 39 })
    expect(coverage.missing(all)).toEqual([
      { from: 20, to: 29 },
      { from: 40, to: 50 },
    ])
    claim.release()
    expect(coverage.missing(all)).toEqual([{ from: 20, to: 50 }])
  })

  it('keeps overlapping claims apart', () => {
    const coverage = coverageWith()
    const [first, second] = [coverage.claim({ from: 20, to: 39 }), coverage.claim({ from: 30, to: 50 })]
    first.release()
    first.release()
    expect(coverage.missing(all)).toEqual([{ from: 20, to: 29 }])
    second.release()
    expect(coverage.missing(all)).toEqual([{ from: 20, to: 50 }])
  })

  it('counts a range as evaluated once it is stored', async () => {
    const stored = Promise.withResolvers<void>()
    const coverage = coverageWith(() => stored.promise)
    const adding = coverage.claim(all).add({ from: 20, to: 29 })
    expect(coverage.evaluated).toEqual([{ from: 10, to: 19 }])
    stored.resolve()
    await adding
    expect(coverage.evaluated).toEqual([{ from: 10, to: 29 }])
  })

  it('does not count a range that could not be stored', async () => {
    const coverage = coverageWith(() => Promise.reject(new Error('the lease is lost')))
    await expect(coverage.claim(all).add({ from: 20, to: 29 })).rejects.toThrow('the lease is lost')
    expect(coverage.evaluated).toEqual([{ from: 10, to: 19 }])
  })

  it('refuses what was claimed before the chain replaced its blocks, and takes what was claimed after', async () => {
    const coverage = coverageWith()
    const before = coverage.claim({ from: 20, to: 39 })
    coverage.invalidate(30)
    const after = coverage.claim({ from: 30, to: 50 })
    await expect(before.add({ from: 20, to: 30 })).rejects.toMatchObject({ code: 'CHAIN_REORGANISED' })
    expect(() => before.assertCurrent({ from: 35, to: 36 })).toThrow('Blocks from 30 on were replaced')
    await before.add({ from: 20, to: 29 })
    await after.add({ from: 30, to: 50 })
    expect(coverage.evaluated).toEqual([{ from: 10, to: 50 }])
  })

  it('misses what was taken back', () => {
    const coverage = coverageWith()
    coverage.retract(15)
    expect(coverage.evaluated).toEqual([{ from: 10, to: 14 }])
    expect(coverage.missing({ from: 10, to: 20 })).toEqual([{ from: 15, to: 20 }])
    coverage.retract(5)
    expect(coverage.evaluated).toEqual([])
  })
})

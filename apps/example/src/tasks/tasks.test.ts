import path from 'node:path'

import { type ChainAccess, discoverTasks } from '@blockmill/core'
import { runTask } from '@blockmill/testkit'
import { describe, expect, it } from 'vitest'

import { closeEpoch } from './close-epoch.ts'
import { countActivity } from './count-activity.ts'
import { deliverReport } from './deliver-report.ts'
import { measureGas } from './measure-gas.ts'
import { noteBlock } from './note-block.ts'
import { storeIssuance } from './store-issuance.ts'

/** A chain that answers only what a test needs. */
const chainWith = (answers: object) => answers as ChainAccess

describe('the tasks package', () => {
  it('has all its tasks found by scheduler and workers', async () => {
    const registry = await discoverTasks([path.resolve(import.meta.dirname, '../..')])
    const names = registry.list().map(({ definition }) => definition.name)
    // Tasks of your own may stand beside them.
    expect(names).toEqual(
      expect.arrayContaining([
        'close-epoch',
        'count-activity',
        'deliver-report',
        'measure-gas',
        'note-block',
        'store-issuance',
      ]),
    )
  })
})

describe('note-block', () => {
  it('stores number and parity of its block', async () => {
    expect(await runTask(noteBlock, { block: { number: 7 } })).toEqual({ number: 7, isEven: false })
  })
})

describe('count-activity', () => {
  it('counts extrinsics and events of its block', async () => {
    const chain = chainWith({
      block: async ({ number }: { number: number }) => ({ extrinsics: Array.from({ length: number }) }),
      events: async () => [{}, {}, {}],
    })
    expect(await runTask(countActivity, { block: { number: 20 }, chain })).toEqual({ extrinsics: 20, events: 3 })
  })
})

describe('store-issuance', () => {
  it('stores the total issuance at its block as text', async () => {
    const asked: unknown[] = []
    const chain = chainWith({
      storage: async (...question: unknown[]) => {
        asked.push(question)
        return 21_000_000_000_000_000n
      },
    })
    const stored = await runTask(storeIssuance, { block: { number: 15 }, chain })
    expect(stored).toEqual({ block: 15, issuance: '21000000000000000' })
    expect(asked).toEqual([[{ number: 15 }, 'balances.totalIssuance']])
  })
})

describe('close-epoch', () => {
  it('runs once in five blocks for each subnet, and not for all in the same block', async () => {
    const context = { chain: chainWith({}), signal: new AbortController().signal }
    const runsFor = async (netuid: number) => {
      const blocks: number[] = []
      for (let number = 0; number < 15; number += 1) {
        if (await closeEpoch.condition({ number }, { netuid }, context)) blocks.push(number)
      }
      return blocks
    }
    expect(await runsFor(1)).toEqual([3, 8, 13])
    expect(await runsFor(3)).toEqual([1, 6, 11])
    expect(await runsFor(22)).toEqual([2, 7, 12])
  })

  it('numbers the epochs of a subnet without a gap', async () => {
    const epochs = [3, 8, 13].map((number) => runTask(closeEpoch, { block: { number }, args: { netuid: 1 } }))
    expect(await Promise.all(epochs)).toEqual([1, 2, 3].map((epoch) => ({ netuid: 1, epoch })))
  })
})

describe('deliver-report', () => {
  const unlucky = '00000000-0007-8000-8000-000000000003'
  const lucky = '00000000-0007-8000-8000-00000000000c'

  it('fails for an unlucky task at the first attempt, and succeeds at the second', async () => {
    await expect(runTask(deliverReport, { taskId: unlucky })).rejects.toThrow(`report ${unlucky}`)
    expect(await runTask(deliverReport, { taskId: unlucky, attempt: 2 })).toMatchObject({ deliveredAtAttempt: 2 })
  })

  it('succeeds for a lucky task at the first attempt', async () => {
    expect(await runTask(deliverReport, { taskId: lucky })).toMatchObject({ deliveredAtAttempt: 1 })
  })
})

describe('measure-gas', () => {
  it('counts transactions and tells how full the block is', async () => {
    const block = { gasUsed: 2_100_000n, gasLimit: 30_000_000n, transactions: Array.from({ length: 100 }) }
    const chain = { block: async () => block } as object as ChainAccess<'evm'>
    expect(await runTask(measureGas, { block: { number: 5 }, chain })).toEqual({ transactions: 100, percentUsed: 7 })
  })
})

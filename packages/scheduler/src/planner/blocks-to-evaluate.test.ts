import { type ConditionBlock, defineTask, everyNBlocks } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it } from 'vitest'

import { blocksToEvaluate } from './blocks-to-evaluate.ts'

const run = () => null
const latest = defineTask({ name: 'a', head: 'latest', condition: () => true, run })
const periodic = defineTask({ name: 'b', head: 'latest', condition: everyNBlocks(10), run })

describe('blocksToEvaluate', () => {
  it('asks the chain nothing on the finalized head', async () => {
    const chain = createScriptedChain({ head: 10 })
    const finalized = defineTask({ name: 'c', run })
    const { range, blockAt } = await blocksToEvaluate(chain, finalized, { from: 1, to: 1_000_000 })
    expect(range).toEqual({ from: 1, to: 1_000_000 })
    expect(blockAt(7)).toEqual({ number: 7 })
    expect(chain.requests.hashes).toBe(0)
  })

  it('asks for the hashes of all blocks on the latest head, so many at once', async () => {
    const chain = createScriptedChain({ head: 1_000 })
    const { range, blockAt } = await blocksToEvaluate(chain, latest, { from: 100, to: 1_000 })
    expect(range).toEqual({ from: 100, to: 355 })
    const [hash] = await chain.hashes([200])
    expect(blockAt(200)).toEqual({ number: 200, hash })
  })

  it('asks only for the matches of a periodic condition', async () => {
    const asked: (readonly number[])[] = []
    const chain = createScriptedChain({ head: 10_000 })
    const counting = { ...chain, hashes: (numbers: readonly number[]) => (asked.push(numbers), chain.hashes(numbers)) }
    expect((await blocksToEvaluate(counting, periodic, { from: 95, to: 119 })).range).toEqual({ from: 95, to: 119 })
    expect(asked).toEqual([[100, 110]])
    expect((await blocksToEvaluate(counting, periodic, { from: 1, to: 10_000 })).range).toEqual({ from: 1, to: 2_569 })
    expect(asked[1]).toHaveLength(256)
  })

  it('asks nothing for a range without a match', async () => {
    const chain = createScriptedChain({ head: 10_000 })
    expect((await blocksToEvaluate(chain, periodic, { from: 91, to: 99 })).range).toEqual({ from: 91, to: 99 })
    expect(chain.requests.hashes).toBe(0)
  })

  it('ends before the first block that the endpoint does not have yet', async () => {
    const chain = createScriptedChain({ head: 110 })
    chain.lag(5)
    expect((await blocksToEvaluate(chain, latest, { from: 100, to: 110 })).range).toEqual({ from: 100, to: 105 })
    await expect(blocksToEvaluate(chain, latest, { from: 106, to: 110 })).rejects.toMatchObject({
      kind: 'retryable',
      message: expect.stringContaining('Block 106'),
    })
  })

  it('never hands out a block without its hash', async () => {
    const chain = createScriptedChain({ head: 110 })
    const { range, blockAt } = await blocksToEvaluate(chain, latest, { from: 100, to: 120 })
    const blocks: ConditionBlock[] = []
    for (let block = range.from; block <= range.to; block += 1) blocks.push(blockAt(block))
    expect(blocks).toHaveLength(11)
    expect(blocks.every(({ hash }) => hash?.startsWith('0x'))).toBe(true)
  })
})

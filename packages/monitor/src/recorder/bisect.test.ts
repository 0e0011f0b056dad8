import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { bisect } from './bisect.ts'

const refusal = new Error('refused')

async function run(items: readonly number[], isBad: (item: number) => boolean) {
  const taken: number[] = []
  const refused: number[] = []
  let calls = 0
  await bisect(items, {
    take: async (part) => {
      calls += 1
      if (part.some(isBad)) throw refusal
      taken.push(...part)
    },
    isRefusal: (error) => error === refusal,
    onRefused: async (item) => void refused.push(item),
  })
  return { taken, refused, calls }
}

describe('halving what is refused', () => {
  it('takes every good item once, in order, and refuses exactly the bad ones', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 200 }), async (bad) => {
        const items = [...bad.keys()]
        const { taken, refused } = await run(items, (item) => bad[item] === true)
        expect(taken).toEqual(items.filter((item) => bad[item] === false))
        expect(refused).toEqual(items.filter((item) => bad[item] === true))
      }),
    )
  })

  it('costs one call when nothing is bad, and about two for each halving when one is', async () => {
    const items = [...Array(512).keys()]
    expect((await run(items, () => false)).calls).toBe(1)
    expect((await run(items, (item) => item === 300)).calls).toBe(19)
    expect((await run([], () => true)).calls).toBe(0)
  })

  it('passes on errors that are no refusal', async () => {
    const take = () => Promise.reject(new Error('disk full'))
    const onRefused = () => Promise.resolve()
    await expect(bisect([1, 2], { take, isRefusal: () => false, onRefused })).rejects.toThrow('disk full')
  })
})

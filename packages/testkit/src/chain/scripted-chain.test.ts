import { describe, expect, it } from 'vitest'

import { createScriptedChain } from './scripted-chain.ts'

describe('createScriptedChain', () => {
  it('links every block to its parent, across a reorg too', async () => {
    const chain = createScriptedChain({ head: 20, finalityLag: 10 })
    chain.reorg(3)
    chain.advance(2)
    for (let number = 1; number <= 22; number++) {
      const [block, parent] = [await chain.block(number), await chain.block(number - 1)]
      expect(block?.parentHash).toBe(parent?.hash)
    }
  })

  it('replaces exactly the newest blocks in a reorg', async () => {
    const chain = createScriptedChain({ head: 20, finalityLag: 10 })
    const numbers = Array.from({ length: 21 }, (_, number) => number)
    const before = await chain.hashes(numbers)
    chain.reorg(3)
    const after = await chain.hashes(numbers)
    expect(numbers.filter((number) => before[number] !== after[number])).toEqual([18, 19, 20])
  })

  it('refuses to replace finalized blocks', () => {
    const chain = createScriptedChain({ head: 20, finalityLag: 2 })
    expect(() => chain.reorg(3)).toThrow(RangeError)
  })

  it('never takes finality back when the newest blocks are replaced', async () => {
    const chain = createScriptedChain({ head: 20, finalityLag: 5 })
    chain.reorg(4)
    expect((await chain.finalized()).number).toBe(15)
    chain.advance()
    expect((await chain.finalized()).number).toBe(16)
  })

  it('answers like an endpoint that is behind', async () => {
    const chain = createScriptedChain({ head: 100 })
    chain.lag(50)
    expect((await chain.head()).number).toBe(50)
    expect((await chain.finalized()).number).toBe(50)
    expect(await chain.block(51)).toBeUndefined()
    chain.lag(0)
    expect((await chain.head()).number).toBe(100)
  })

  it('fails as often as told, for the block that was named only', async () => {
    const chain = createScriptedChain({ head: 10 })
    chain.fail(2, { request: 'block', block: 7 })
    await expect(chain.block(6)).resolves.toMatchObject({ number: 6 })
    await expect(chain.block(7)).rejects.toMatchObject({ code: 'CHAIN_RPC_FAILED', kind: 'retryable' })
    await expect(chain.block(7)).rejects.toMatchObject({ code: 'CHAIN_RPC_FAILED' })
    await expect(chain.block(7)).resolves.toMatchObject({ number: 7 })
    expect(chain.requests.block).toBe(4)
  })

  it('answers a stalled request when it resumes, and refuses it when it closes', async () => {
    const chain = createScriptedChain({ head: 10 })
    chain.stall()
    const waiting = chain.head()
    chain.advance()
    chain.resume()
    expect((await waiting).number).toBe(11)

    chain.stall()
    const lost = chain.head()
    await chain.close()
    await expect(lost).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
  })

  it('is unhealthy while disconnected', async () => {
    const chain = createScriptedChain()
    chain.disconnect()
    expect(chain.isHealthy()).toBe(false)
    await expect(chain.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
    chain.resume()
    expect(chain.isHealthy()).toBe(true)
  })
})

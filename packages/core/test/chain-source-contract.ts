import { describe, expect, it, onTestFinished } from 'vitest'

import { type BlockHeader, type ChainSource, RetryableError } from '../src/index.ts'

/** A chain under test, with what the contract needs to do to it. */
export interface ContractChain {
  /** A fresh source of the chain, not started. Closed by the contract. */
  createSource(): ChainSource
  /** Adds blocks. The chain has at least one block above genesis before. */
  produce(blocks: number): Promise<void>
  /** Answers like an endpoint that is this many blocks behind. 0 ends it. */
  lag(blocks: number): void
  /** Makes the next request for a block fail as the node would. */
  failNextBlock(): void
  /** Makes the chain unreachable, or reachable again. */
  setReachable(reachable: boolean): void
}

const HASH = /^0x[0-9a-f]{64}$/

/** What every `ChainSource` must do, whatever the chain. Where there are no subscriptions, nothing wakes up who listens. */
export function describeChainSource(
  name: string,
  chainUnderTest: () => ContractChain,
  { subscribes = true }: { readonly subscribes?: boolean } = {},
): void {
  const started = async (): Promise<ChainSource> => {
    const source = chainUnderTest().createSource()
    onTestFinished(() => source.close())
    await source.start()
    return source
  }
  const produce = (blocks: number): Promise<void> => chainUnderTest().produce(blocks)

  describe(`a chain source of ${name}`, () => {
    it('tells head and finalized head, the latter never ahead', async () => {
      const source = await started()
      const [head, finalized] = [await source.head(), await source.finalized()]
      expect(head).toEqual({
        number: expect.any(Number),
        hash: expect.stringMatching(HASH),
        parentHash: expect.stringMatching(HASH),
      })
      expect(finalized.number).toBeLessThanOrEqual(head.number)
    })

    it('sees each new head anew', async () => {
      const source = await started()
      const before = await source.head()
      await produce(2)
      const after = await source.head()
      expect(after.number).toBe(before.number + 2)
      expect(after.hash).not.toBe(before.hash)
    })

    it('reads every block from genesis to head, each linked to the one before', async () => {
      const source = await started()
      const head = await source.head()
      expect((await source.block(0))?.hash).toBe(await source.genesisHash())
      let parent: BlockHeader | undefined
      for (let number = 0; number <= head.number; number++) {
        const block = await source.block(number)
        expect(block?.number).toBe(number)
        if (parent !== undefined) expect(block?.parentHash).toBe(parent.hash)
        parent = block
      }
      expect(parent).toMatchObject(head)
    })

    it('tells block times that go forward', async () => {
      const source = await started()
      const { number } = await source.head()
      const [first, second] = [await source.block(number - 1), await source.block(number)]
      expect(second?.timestamp?.getTime()).toBeGreaterThan(first?.timestamp?.getTime() ?? Number.NaN)
    })

    it('knows no block above the head', async () => {
      const source = await started()
      const { number } = await source.head()
      expect(await source.block(number + 1)).toBeUndefined()
      expect(await source.block(number + 1_000_000)).toBeUndefined()
    })

    it('reads many hashes in the order asked, undefined where there is no block', async () => {
      const source = await started()
      const { number, hash, parentHash } = await source.head()
      expect(await source.hashes([number, number + 1, number - 1, number, 0])).toEqual([
        hash,
        undefined,
        parentHash,
        hash,
        await source.genesisHash(),
      ])
      expect(await source.hashes([])).toEqual([])
    })

    it('shows the lower head of an endpoint that lags', async () => {
      const source = await started()
      await produce(1)
      const { number } = await source.head()
      chainUnderTest().lag(2)
      onTestFinished(() => chainUnderTest().lag(0))
      expect((await source.head()).number).toBe(number - 2)
      expect((await source.finalized()).number).toBeLessThanOrEqual(number - 2)
      expect(await source.block(number)).toBeUndefined()
    })

    it.runIf(subscribes)('wakes its listeners when there are new blocks', async () => {
      const source = await started()
      const listener = source.wakeUps(AbortSignal.timeout(60_000))[Symbol.asyncIterator]()
      const target = (await source.head()).number + 1
      await produce(1)
      let woken = false
      while ((await source.head()).number < target || !woken) {
        expect((await listener.next()).done).toBe(false)
        woken = true
      }
      await listener.return?.()
    })

    it.runIf(subscribes)('ends a listener when its signal aborts', async () => {
      const source = await started()
      const listening = new AbortController()
      const loop = (async () => {
        for await (const _ of source.wakeUps(listening.signal)) listening.abort()
      })()
      await produce(1)
      await loop
    })

    it('reports a failed request as retryable and forgets it', async () => {
      const source = await started()
      const { number } = await source.head()
      chainUnderTest().failNextBlock()
      await expect(source.block(number)).rejects.toBeInstanceOf(RetryableError)
      expect((await source.block(number))?.number).toBe(number)
    })

    it('is unhealthy while the chain is unreachable, and finds back', async () => {
      const source = await started()
      expect(source.isHealthy()).toBe(true)
      chainUnderTest().setReachable(false)
      onTestFinished(() => chainUnderTest().setReachable(true))
      await expect.poll(() => source.isHealthy()).toBe(false)
      await expect(source.head()).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
      chainUnderTest().setReachable(true)
      await expect.poll(() => source.isHealthy()).toBe(true)
      expect((await source.head()).number).toBeGreaterThan(0)
    })

    it('answers again after it was reset', async () => {
      const source = await started()
      const { number } = await source.head()
      source.reset('the contract asks for it')
      await expect.poll(async () => (await source.head().catch(() => undefined))?.number).toBeGreaterThanOrEqual(number)
      expect(source.isHealthy()).toBe(true)
    })

    it('does not start when its signal was aborted before', async () => {
      const source = chainUnderTest().createSource()
      onTestFinished(() => source.close())
      await expect(source.start(AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped')
    })

    it('ends its listeners and refuses requests once closed, and may be closed again', async () => {
      const source = await started()
      const listening = source.wakeUps(new AbortController().signal)
      await source.close()
      await source.close()
      const left: void[] = []
      for await (const wakeUp of listening) left.push(wakeUp)
      expect(left.length).toBeLessThanOrEqual(1)
      await expect(source.head()).rejects.toMatchObject({ kind: 'retryable', code: 'CHAIN_UNREACHABLE' })
      expect(source.isHealthy()).toBe(false)
    })

    it('may be closed before it was started', async () => {
      const source = chainUnderTest().createSource()
      await source.close()
      await expect(source.head()).rejects.toMatchObject({ code: 'CHAIN_UNREACHABLE' })
    })
  })
}

import { defineTask } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'

import { fakeTimers, lead, leading, range, settle } from '../test/leadership-harness.ts'
import { backfillJob, createMemoryBackfillStore } from '../test/memory-backfill-store.ts'
import { createMemoryBranchStore } from '../test/memory-branch-store.ts'
import { createMemoryCoverageStore } from '../test/memory-coverage-store.ts'
import { createRecordingBroker } from '../test/recording-broker.ts'
import { onLatest, scheduled } from '../test/reorg-harness.ts'
import { createSwitchingChain } from '../test/switching-chain.ts'

const run = () => null
fakeTimers()

/** Coverage that takes a while to be put on record, as in a database. */
function slowToRegister(ms: number) {
  const store = createMemoryCoverageStore()
  const register = store.register.bind(store)
  store.register = async (token, coverage) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    await register(token, coverage)
  }
  return store
}

describe('coverage that the live run and a back-fill open at the same time', () => {
  it('is one: what the chain replaces is scheduled again', async () => {
    const store = slowToRegister(20)
    const backfills = createMemoryBackfillStore(store)
    backfills.create(backfillJob({ from: 10, to: 20, head: 'latest' }))
    const open = backfills.open.bind(backfills)
    backfills.open = async () => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      return open()
    }
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const { broker, seconds } = await leading({ tasks: [onLatest('a')], chain, store, backfills })
    await seconds(3)
    expect(broker.blocks('a').sort((a, b) => a - b)).toEqual([...range(10, 20), 100])
    chain.reorg(1)
    await seconds(3)
    expect(scheduled(broker, 'a').at(-1)?.hash).toBe((await chain.hashes([100]))[0])
  })
})

describe('arguments that come back while blocks are replaced', () => {
  it('are scheduled for the new blocks', async () => {
    const store = slowToRegister(0)
    const branches = createMemoryBranchStore(store)
    const chain = createScriptedChain({ head: 100, finalityLag: 20 })
    const both = [{ set: 1 }, { set: 2 }]
    let args = both
    const task = defineTask({ name: 'a', head: 'latest', args: () => args, run })
    const before = await lead({ tasks: [task], chain, store, branches, start: 95 })
    await vi.advanceTimersByTimeAsync(1)
    await settle()
    await before.stop()
    expect(before.broker.blocks('a')).toHaveLength(12)

    args = [{ set: 1 }]
    const { broker, seconds } = await leading({ tasks: [task], chain, store, branches })
    await seconds(1)
    const register = store.register.bind(store)
    const held = Promise.withResolvers<void>()
    store.register = async (token, coverage) => {
      await held.promise
      await register(token, coverage)
    }
    args = both
    chain.advance()
    await seconds(1)
    chain.reorg(3)
    await seconds(2)
    held.resolve()
    await seconds(2)
    const ofSecond = broker.messages.filter(({ items }) => items[0]?.args['set'] === 2)
    expect(ofSecond.map(({ items }) => items[0]?.block?.hash)).toEqual(await chain.hashes(range(99, 101)))
  })
})

/** Leads a task on `latest` from block 90 to 100. The chain can then go on with others in the place of blocks 95 to 100. */
async function leadToBlock100() {
  const before = createScriptedChain({ head: 90, finalityLag: 0 })
  const after = createScriptedChain({ head: 101, finalityLag: 50 })
  after.reorg(7)
  const { chain, use } = createSwitchingChain(before)
  const store = createMemoryCoverageStore()
  const backfills = createMemoryBackfillStore(store)
  const broker = createRecordingBroker()
  onTestFinished(() => broker.confirm(true))
  const { look, seconds } = await leading({ tasks: [onLatest('a')], chain, store, backfills, broker })
  for (let block = 91; block <= 100; block += 1) {
    before.advance()
    await look()
  }
  return { store, backfills, broker, replaceBlocks: () => use(after), seconds }
}

describe('a write of a back-fill that is under way when its blocks are replaced', () => {
  it('leaves nothing covered that the chain has replaced', async () => {
    const { store, backfills, broker, replaceBlocks, seconds } = await leadToBlock100()
    expect(store.of('a')?.evaluated).toEqual([{ from: 90, to: 100 }])

    const progress = backfills.progress.bind(backfills)
    const written = Promise.withResolvers<void>()
    backfills.progress = async (one) => {
      await written.promise
      await progress(one)
    }
    backfills.create(backfillJob({ from: 90, to: 99, head: 'latest', force: true }))
    await seconds(2)
    expect(broker.messages.filter(({ cause }) => cause === 'backfill')).toHaveLength(10)
    broker.confirm(false)
    replaceBlocks()
    await seconds(3)
    written.resolve()
    await seconds(3)
    expect(store.of('a')?.evaluated).toEqual([{ from: 90, to: 94 }])
    broker.confirm(true)
    await seconds(3)
    expect(store.of('a')?.evaluated).toEqual([{ from: 90, to: 101 }])
  })
})

describe('a forced back-fill whose blocks are replaced before the broker has confirmed them', () => {
  it('holds up neither the live run nor itself', async () => {
    const { store, backfills, broker, replaceBlocks, seconds } = await leadToBlock100()
    broker.confirm(false)
    backfills.create(backfillJob({ from: 90, to: 99, head: 'latest', force: true }))
    await seconds(2)
    const old = broker.blocks('a').length
    replaceBlocks()
    await seconds(3)
    expect(broker.blocks('a').slice(old)).toEqual(range(95, 101))
    broker.confirm(true)
    await seconds(3)
    expect(store.of('a')?.evaluated).toEqual([{ from: 90, to: 101 }])
    const { id } = backfillJob({ from: 90, to: 99 })
    expect(backfills.job(id).state).toBe('completed')
  })
})

describe('a leadership of which a part fails for good', () => {
  it('ends as a whole', async () => {
    const fault = Promise.withResolvers<void>()
    const reconciler = { run: () => fault.promise }
    const { over, chain, look, leadership, broker } = await lead({
      tasks: [defineTask({ name: 'a', run })],
      reconciler,
    })
    onTestFinished(() => leadership.abandon())
    fault.reject(new Error('a fault in the program'))
    await expect(over).rejects.toThrow('a fault in the program')
    chain.advance()
    await look()
    expect(broker.blocks('a')).toEqual([100])
  })
})

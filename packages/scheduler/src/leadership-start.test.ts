import { type Condition, defineTask, type JsonObject } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { describe, expect, it, vi } from 'vitest'

import { fakeTimers, lead, leading, range } from '../test/leadership-harness.ts'
import { createMemoryCoverageStore } from '../test/memory-coverage-store.ts'

const run = () => null
const task = (name: string, condition?: Condition<Record<string, never>>) =>
  defineTask({ name, run, ...(condition !== undefined && { condition }) })
const blocks = range
fakeTimers()

describe('where scheduling starts', () => {
  it('includes the start block and the head', async () => {
    const { broker } = await leading({ tasks: [task('a')], chain: createScriptedChain({ head: 103 }), start: 100 })
    expect(broker.blocks('a')).toEqual([100, 101, 102, 103])
  })

  it('starts a first run ever at the current head', async () => {
    const { broker, store } = await leading({ tasks: [task('a')] })
    expect(broker.blocks('a')).toEqual([100])
    expect(store.of('a')).toMatchObject({ startBlock: 100, evaluated: [{ from: 100, to: 100 }] })
  })

  it('waits for a start block that is still to come', async () => {
    const { broker, chain, look } = await leading({ tasks: [task('a')], start: 102 })
    chain.advanceTo(101)
    await look()
    expect(broker.blocks('a')).toEqual([])
    chain.advanceTo(103)
    await look()
    expect(broker.blocks('a')).toEqual([102, 103])
  })

  it('resumes at the first block that was not evaluated, for each task', async () => {
    const store = createMemoryCoverageStore()
    const first = await lead({ tasks: [task('a')], store, chain: createScriptedChain({ head: 89 }) })
    await first.stop()
    const { broker } = await leading({
      tasks: [task('a'), task('b')],
      store,
      chain: createScriptedChain({ head: 92 }),
    })
    expect(broker.blocks('a')).toEqual([90, 91, 92])
    expect(broker.blocks('b')).toEqual([92])
  })

  it('starts at the head that was seen at start with `current`, whatever is on record', async () => {
    const store = createMemoryCoverageStore()
    const first = await lead({ tasks: [task('a')], store, chain: createScriptedChain({ head: 50 }) })
    await first.stop()
    const { broker } = await leading({ tasks: [task('a')], store, start: 'current' })
    expect(broker.blocks('a')).toEqual([100])
  })

  it('fills in the blocks below a start block set lower than before on the low lane, once', async () => {
    const store = createMemoryCoverageStore()
    await (await lead({ tasks: [task('a')], store })).stop()
    const { broker, chain, look } = await leading({ tasks: [task('a')], store, start: 97 })
    chain.advance()
    await look()
    const lanes = broker.messages.map(({ lane, items }) => [items[0]?.block?.number, lane])
    expect(lanes).toEqual(
      expect.arrayContaining([
        [97, 'low'],
        [98, 'low'],
        [99, 'low'],
        [101, 'normal'],
      ]),
    )
    expect(lanes).toHaveLength(4)
  })
})

describe('a start block of its own', () => {
  const early = (startBlock: number) => defineTask({ name: 'early', startBlock, run })

  it('is where a task starts when it is first seen, whatever the others do', async () => {
    const { broker } = await leading({ tasks: [early(97), task('other')] })
    expect(broker.messages.filter((message) => message.task === 'early').map(({ cause }) => cause)).toEqual(
      Array.from({ length: 4 }, () => 'live'),
    )
    expect(broker.blocks('early')).toEqual(blocks(97, 100))
    expect(broker.blocks('other')).toEqual([100])
  })

  it('does not move a task that has run, also where the others start at the head', async () => {
    const store = createMemoryCoverageStore()
    await (await lead({ tasks: [early(97), task('other')], store })).stop()
    const chain = createScriptedChain({ head: 110 })
    const { broker } = await leading({ tasks: [early(105), task('other')], store, chain, start: 'current' })
    expect(broker.blocks('early')).toEqual(blocks(101, 110))
    expect(broker.blocks('other')).toEqual([110])
  })

  it('may be lower than before: what is missing is filled in on the low lane', async () => {
    const store = createMemoryCoverageStore()
    await (await lead({ tasks: [early(99)], store })).stop()
    const { broker } = await leading({ tasks: [early(97)], store })
    expect(broker.messages.map(({ lane, items }) => [items[0]?.block?.number, lane])).toEqual([
      [97, 'low'],
      [98, 'low'],
    ])
  })

  it('may be above the head, and holds for arguments that appear later', async () => {
    let netuids = [1]
    const later = defineTask({ name: 'later', startBlock: 102, args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [later] })
    expect(broker.messages).toEqual([])
    chain.advanceTo(103)
    await look()
    netuids = [1, 2]
    chain.advance()
    await look()
    const scheduled = broker.messages.map(({ items }) => `${items[0]?.block?.number}/${String(items[0]?.args.netuid)}`)
    expect(scheduled.sort()).toEqual(['102/1', '102/2', '103/1', '103/2', '104/1', '104/2'])
  })
})

describe('a task that is removed and brought back', () => {
  it('is scheduled for the blocks in between, which nobody has evaluated', async () => {
    const store = createMemoryCoverageStore()
    await (await lead({ tasks: [task('a'), task('b')], store })).stop()
    await (await lead({ tasks: [task('b')], store, chain: createScriptedChain({ head: 110 }) })).stop()
    const { broker } = await leading({
      tasks: [task('a'), task('b')],
      store,
      chain: createScriptedChain({ head: 112 }),
    })
    expect(broker.blocks('a')).toEqual(blocks(101, 112))
    expect(broker.blocks('b')).toEqual([111, 112])
  })

  it('goes on with the arguments that it had, also those that were removed and brought back', async () => {
    const store = createMemoryCoverageStore()
    const withNetuids = (...netuids: number[]) =>
      defineTask({ name: 'a', args: netuids.map((netuid) => ({ netuid })), run })
    await (await lead({ tasks: [withNetuids(1, 2)], store })).stop()
    await (await lead({ tasks: [withNetuids(1)], store, chain: createScriptedChain({ head: 103 }) })).stop()
    const { broker } = await leading({ tasks: [withNetuids(1, 2)], store, chain: createScriptedChain({ head: 104 }) })
    const ofTwo = broker.messages.filter(({ items }) => items[0]?.args.netuid === 2)
    expect(ofTwo.map(({ items }) => items[0]?.block?.number)).toEqual(blocks(101, 104))
  })
})

describe('arguments', () => {
  it('that are none at first start at the head when there are some, not where the service has started', async () => {
    let netuids: number[] = []
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing], start: 50 })
    chain.advanceTo(200)
    await look()
    netuids = [1]
    chain.advance()
    await look()
    expect(broker.blocks('growing')).toEqual([201])
  })

  it('of a function are asked for at each head; those that appear start at the head', async () => {
    let netuids = [1]
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing], start: 99 })
    netuids = [1, 2]
    chain.advance()
    await look()
    netuids = [2]
    chain.advance()
    await look()
    const scheduled = broker.messages.map(({ items }) => `${items[0]?.block?.number}/${String(items[0]?.args.netuid)}`)
    expect(scheduled.sort()).toEqual(['100/1', '101/1', '101/2', '102/2', '99/1'])
  })

  it('that come back go on where they were left', async () => {
    let netuids = [1, 2]
    const growing = defineTask({ name: 'growing', args: () => netuids.map((netuid) => ({ netuid })), run })
    const { broker, chain, look } = await leading({ tasks: [growing] })
    for (const now of [[1], [1], [1, 2]]) {
      netuids = now
      chain.advance()
      await look()
    }
    const ofTwo = broker.messages.filter(({ items }) => items[0]?.args.netuid === 2)
    expect(ofTwo.map(({ items }) => items[0]?.block?.number)).toEqual([100, 101, 102, 103])
  })

  it('whose function throws are asked for again, and other tasks go on', async () => {
    let isBroken = true
    const args = () => {
      if (isBroken) throw new Error('no list today')
      return [{ netuid: 1 }]
    }
    const broken = defineTask<JsonObject, null>({ name: 'broken', args, run })
    const { broker, registry } = await leading({ tasks: [broken, task('other')] })
    expect(broker.blocks('other')).toEqual([100])
    expect(await registry.metrics()).toMatch(/blockmill_condition_errors_total\{[^}]*task="broken"[^}]*\} 1/)
    isBroken = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect(broker.blocks('broken')).toEqual([100])
  })

  it('of none mean no runs, and one warning', async () => {
    const lines: unknown[] = []
    const logger = { child: () => logger, warn: (...line: unknown[]) => lines.push(line) } as never
    const idle = defineTask<JsonObject, null>({ name: 'idle', args: [], run })
    const { broker, chain, look } = await leading({ tasks: [idle], logger })
    chain.advance()
    await look()
    expect(broker.messages).toEqual([])
    expect(lines).toEqual([[{ task: 'idle' }, 'a task has no arguments and so no runs']])
  })
})

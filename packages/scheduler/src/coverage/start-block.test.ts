import { describe, expect, it } from 'vitest'

import { liveStart, startBlock } from './start-block.ts'

const question = { mode: 'resume', head: 5_000, lookback: 0 } as const

describe('startBlock', () => {
  it.each([
    ['resume, first run ever: the head', {}, 5_000],
    ['resume, task added later with lookback 300', { lookback: 300 }, 4_700],
    ['resume, lookback longer than the chain', { lookback: 6_000 }, 0],
    ['resume, on record', { recorded: 90 }, 90],
    ['resume, on record, lookback reaches further back', { recorded: 4_995, lookback: 300 }, 4_700],
    ['resume, on record, lookback within it', { recorded: 90, lookback: 300 }, 90],
    ['resume, on record above the head', { recorded: 9_000 }, 9_000],
    ['current: the head', { mode: 'current' }, 5_000],
    ['current moves what is on record', { mode: 'current', recorded: 90 }, 5_000],
    ['current, minus the lookback', { mode: 'current', lookback: 10 }, 4_990],
    ['a number: that block', { mode: 100 }, 100],
    ['a number moves what is on record', { mode: 100, recorded: 4_000 }, 100],
    ['a number above the head', { mode: 9_000 }, 9_000],
    ['its own start block, in place of the head', { own: 70 }, 70],
    ['its own, whatever the lookback and the mode', { own: 70, lookback: 300, mode: 'current' }, 70],
    ['its own, also where the mode is a number', { own: 70, mode: 100 }, 70],
    ['its own above the head', { own: 9_000 }, 9_000],
    ['its own, lower than what is on record', { own: 70, recorded: 90 }, 70],
    ['its own, higher than what is on record', { own: 90, recorded: 70 }, 70],
    ['block 0', { mode: 0, recorded: 4_000 }, 0],
  ] as const)('%s', (_, change, expected) => {
    expect(startBlock({ ...question, ...change })).toBe(expected)
  })
})

describe('liveStart', () => {
  it.each([
    ['without a lookback: the start block', 5_000, {}, 5_000],
    ['with a lookback: the head at which the task was registered', 4_700, { lookback: 300 }, 5_000],
    ['the same later on', 4_700, { lookback: 300, head: 6_000 }, 5_000],
    ['with a lookback longer than the chain: the head', 0, { lookback: 6_000 }, 5_000],
    ['a start block above the head', 9_000, { lookback: 300 }, 9_000],
    ['a start block given as a number, whatever the lookback', 4_000, { mode: 4_000, lookback: 300 }, 4_000],
  ] as const)('%s', (_, start, change, expected) => {
    expect(liveStart(start, { ...question, ...change })).toBe(expected)
  })
})

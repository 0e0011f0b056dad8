import { RetryableError } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createQueueWindow } from './queue-window.ts'

/** A lane whose messages a test takes, and a clock that moves when somebody waits. */
function setUp(limit = 1_000) {
  const state = { messages: 0, nowMs: 0, looks: 0, isAway: false, onWait: () => {} }
  const window = createQueueWindow({
    depth: async () => {
      state.looks += 1
      if (state.isAway) throw new RetryableError('BROKER_UNREACHABLE', 'away')
      return state.messages
    },
    now: () => state.nowMs,
    waitMs: async (ms) => {
      state.nowMs += ms
      state.onWait()
    },
  })
  window.limit('job', limit)
  const { signal } = new AbortController()
  /** Reserves and publishes at once. */
  const publish = async (least: number, most: number, tasksEach = 1) => {
    const room = await window.reserve(least, most, signal)
    const messages = Math.ceil(room.tasks / tasksEach)
    room.release([{ messages, tasksEach }])
    state.messages += messages
    return room.tasks
  }
  return { window, state, signal, publish }
}

describe('createQueueWindow', () => {
  it('gives room up to the window and no further, however often it is asked', async () => {
    const { publish, state } = setUp()
    let published = 0
    state.onWait = () => {
      throw new Error('waited')
    }
    while (true) {
      try {
        published += await publish(1, 300)
      } catch {
        break
      }
    }
    expect(published).toBe(1_000)
  })

  it('counts tasks, not messages', async () => {
    const { publish, state } = setUp()
    expect(await publish(100, 1_000, 100)).toBe(1_000)
    expect(state.messages).toBe(10)
    state.onWait = () => (state.messages = 7)
    expect(await publish(100, 1_000, 100)).toBe(300)
  })

  it('waits until there is room for the least that is worth it', async () => {
    const { publish, state } = setUp()
    await publish(1, 1_000)
    const left = [950, 901, 900, 0]
    state.onWait = () => (state.messages = left.shift() ?? 0)
    expect(await publish(100, 500)).toBe(100)
    expect(left).toEqual([0])
  })

  it('asks the broker first, not again within a second while there is room, and never more often than every 50 ms', async () => {
    const { publish, state } = setUp()
    await publish(1, 500)
    await publish(1, 500)
    expect(state.looks).toBe(1)
    state.onWait = () => (state.messages = state.nowMs < 500 ? 1_000 : 0)
    await publish(1, 500)
    expect(state.nowMs).toBe(500)
    expect(state.looks).toBeLessThanOrEqual(11)
  })

  it('does not take an idle lane for one that workers empty fast', async () => {
    const { publish, state } = setUp(10_000)
    expect(await publish(1, 5_000)).toBe(1_000)
    state.messages = 0
    for (let count = 0; count < 5; count += 1) {
      state.nowMs += 2_000
      expect(await publish(1, 1)).toBe(1)
      state.messages = 0
    }
    expect(await publish(1, 5_000)).toBe(1_999)
  })

  it('gives no room in a lane that it cannot look at, neither at first nor later', async () => {
    const { publish, state } = setUp()
    state.isAway = true
    await expect(publish(1, 10)).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
    state.isAway = false
    expect(await publish(1, 10)).toBe(10)
    state.isAway = true
    state.nowMs += 1_000
    expect(await publish(1, 10)).toBe(10)
    state.nowMs += 1
    await expect(publish(1, 10)).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' })
  })

  it('keeps the lane no fuller than workers need, and fills it up for fast ones', async () => {
    const { publish, state } = setUp(10_000)
    /** The most that waited while workers took so many tasks between two looks. */
    const deepest = async (takenEachLook: number) => {
      state.onWait = () => (state.messages = Math.max(0, state.messages - takenEachLook))
      for (let count = 0; count < 50; count += 1) await publish(100, 2_000)
      let most = 0
      for (let count = 0; count < 50; count += 1) {
        await publish(100, 2_000)
        most = Math.max(most, state.messages)
      }
      return most
    }
    expect(await deepest(10)).toBeLessThanOrEqual(1_000)
    const forFast = await deepest(3_000)
    expect(forFast).toBeGreaterThanOrEqual(3_000)
    expect(forFast).toBeLessThanOrEqual(10_000)
    expect(await deepest(10)).toBeLessThanOrEqual(1_000)
  })

  it('takes room back once, however often it is released', async () => {
    const { window, signal } = setUp()
    const room = await window.reserve(1, 1_000, signal)
    room.release([{ messages: 400, tasksEach: 1 }])
    room.release([])
    expect((await window.reserve(1, 1_000, signal)).tasks).toBe(600)
  })

  it('lets those who ask take turns', async () => {
    const { window, signal, state } = setUp(100)
    const order: string[] = []
    const work = async (name: string) => {
      for (let count = 0; count < 3; count += 1) {
        const room = await window.reserve(100, 100, signal)
        order.push(name)
        room.release([])
        await Promise.resolve()
      }
    }
    state.messages = 0
    await Promise.all([work('a'), work('b')])
    expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
  })

  it('holds all to the smallest limit while its job is there', async () => {
    const { window, publish } = setUp(1_000)
    window.limit('small', 50)
    expect(await publish(1, 500)).toBe(50)
    window.unlimit('small')
    expect(await publish(1, 500)).toBe(500)
  })

  it('gives way when it is stopped, and when the broker cannot be asked', async () => {
    const { window, publish, state, signal } = setUp()
    await publish(1, 1_000)
    const stop = new AbortController()
    const stopped = window.reserve(1, 1, stop.signal)
    stop.abort(new Error('stopped'))
    await expect(stopped).rejects.toThrow('stopped')
    state.isAway = true
    await expect(window.reserve(1, 1, signal)).rejects.toThrow('away')
    state.isAway = false
    state.messages = 0
    expect((await window.reserve(1, 1, signal)).tasks).toBe(1)
  })
})

import { createTopology, type QueueDepth, RetryableError } from '@blockmill/core'
import { describe, expect, it } from 'vitest'

import { createQueuePressure } from './queue-pressure.ts'

/** A broker whose queues hold what a test says, and a clock that it moves. */
function setUp() {
  const topology = createTopology()
  const depths = new Map<string, number>()
  const asked: string[] = []
  const behind: [boolean, number][] = []
  const state = { nowMs: 0, isAway: false, gone: '' }
  const depth = async (queue: string): Promise<QueueDepth | undefined> => {
    asked.push(queue)
    if (state.isAway) throw new RetryableError('BROKER_UNREACHABLE', 'away')
    if (queue === state.gone) return undefined
    return { messages: depths.get(queue) ?? 0, consumers: 0 }
  }
  const pressure = createQueuePressure({
    broker: { topology, depth },
    window: 100,
    monitorLimit: 1_000,
    now: () => state.nowMs,
    onMonitorBehind: (...change) => behind.push(change),
  })
  return { topology, depths, asked, behind, state, pressure }
}

describe('createQueuePressure', () => {
  it('calls a lane full that holds the window, and not one that holds less', async () => {
    const { topology, depths, pressure } = setUp()
    depths.set(topology.workQueue('a', 'low'), 100)
    depths.set(topology.workQueue('a', 'normal'), 99)
    expect(await pressure.isFull('a', 'low')).toBe(true)
    expect(await pressure.isFull('a', 'normal')).toBe(false)
    expect(await pressure.isFull('a', 'low', 101)).toBe(false)
  })

  it('says of a lane that was deleted what to do, and asks anew', async () => {
    const { topology, state, pressure } = setUp()
    state.gone = topology.workQueue('b', 'low')
    await expect(pressure.isFull('b', 'low')).rejects.toMatchObject({
      code: 'BROKER_PUBLISH_FAILED',
      message:
        'The queue "blockmill.work.b.low" is not on the broker, or not available, so no worker would get what is scheduled. Start a worker that serves it, or restart the scheduler: both declare it.',
    })
    state.gone = ''
    expect(await pressure.isFull('b', 'low')).toBe(false)
  })

  it('asks the broker once a second for each lane that has room, however many ask', async () => {
    const { topology, depths, asked, state, pressure } = setUp()
    await Promise.all([pressure.isFull('a', 'low'), pressure.isFull('a', 'low'), pressure.isFull('a', 'high')])
    state.nowMs = 999
    depths.set(topology.workQueue('a', 'low'), 100)
    expect(await pressure.isFull('a', 'low')).toBe(false)
    expect(asked).toEqual([topology.workQueue('a', 'low'), topology.workQueue('a', 'high')])
    state.nowMs = 1_000
    expect(await pressure.isFull('a', 'low')).toBe(true)
  })

  it('asks again after a tenth of a second for a lane that is full, and sees at once what workers have taken since', async () => {
    const { topology, depths, asked, state, pressure } = setUp()
    const lane = topology.workQueue('a', 'low')
    depths.set(lane, 100)
    await Promise.all([pressure.isFull('a', 'low'), pressure.isFull('a', 'low')])
    depths.set(lane, 0)
    state.nowMs = 99
    expect(await pressure.isFull('a', 'low')).toBe(true)
    expect(asked).toEqual([lane])
    state.nowMs = 100
    expect(await pressure.isFull('a', 'low')).toBe(false)
    pressure.published('a', 'low', 100)
    state.nowMs = 200
    expect(await pressure.isFull('a', 'low')).toBe(false)
    expect(asked).toEqual([lane, lane, lane])
  })

  it('counts what was published since the broker was asked', async () => {
    const { state, pressure } = setUp()
    pressure.published('a', 'low', 500)
    expect(await pressure.isFull('a', 'low')).toBe(false)
    pressure.published('a', 'low', 99)
    pressure.published('a', 'high', 99)
    expect(await pressure.isFull('a', 'low')).toBe(false)
    pressure.published('a', 'low', 1)
    expect(await pressure.isFull('a', 'low')).toBe(true)
    state.nowMs = 100
    expect(await pressure.isFull('a', 'low')).toBe(false)
  })

  it('passes on that the broker cannot be asked, and asks again the next time', async () => {
    const { state, pressure } = setUp()
    state.isAway = true
    await expect(pressure.isFull('a', 'low')).rejects.toThrow('away')
    state.isAway = false
    expect(await pressure.isFull('a', 'low')).toBe(false)
  })

  it('says once that the monitor has fallen behind, and once that it has caught up', async () => {
    const { topology, depths, behind, state, pressure } = setUp()
    const answers: boolean[] = []
    for (const messages of [1_000, 1_001, 5_000, 1_000, 0]) {
      depths.set(topology.monitorQueue, messages)
      state.nowMs += 1_000
      answers.push(await pressure.isMonitorBehind())
    }
    expect(answers).toEqual([false, true, true, false, false])
    expect(behind).toEqual([
      [true, 1_001],
      [false, 1_000],
    ])
  })
})

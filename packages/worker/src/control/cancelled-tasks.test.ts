import { describe, expect, it } from 'vitest'

import { createCancelledTasks } from './cancelled-tasks.ts'

const HOUR_MS = 60 * 60 * 1_000

function create() {
  let nowMs = 1_000 * HOUR_MS
  const tasks = createCancelledTasks({ now: () => nowMs })
  return { tasks, now: () => nowMs, pass: (ms: number) => void (nowMs += ms) }
}

describe('cancelled tasks', () => {
  it('are those that were planned before the cancel, not those that were replayed after it', () => {
    const { tasks, now } = create()
    tasks.add({ taskId: 'a', cancelledAt: now() })
    expect(tasks.has({ taskId: 'a', generation: 0 })).toBe(true)
    expect(tasks.has({ taskId: 'a', generation: now() })).toBe(true)
    expect(tasks.has({ taskId: 'a', generation: now() + 1 })).toBe(false)
    expect(tasks.has({ taskId: 'b', generation: 0 })).toBe(false)
  })

  it('stay cancelled by the later of two cancels, whichever is heard first', () => {
    const { tasks, now } = create()
    tasks.add({ taskId: 'a', cancelledAt: now() })
    tasks.add({ taskId: 'a', cancelledAt: now() - 10 })
    expect(tasks.has({ taskId: 'a', generation: now() - 5 })).toBe(true)
  })

  it('are forgotten after a day', () => {
    const { tasks, now, pass } = create()
    tasks.add({ taskId: 'a', cancelledAt: now() })
    pass(23 * HOUR_MS)
    tasks.add({ taskId: 'b', cancelledAt: now() })
    expect(tasks.has({ taskId: 'a', generation: 0 })).toBe(true)
    pass(HOUR_MS)
    expect(tasks.has({ taskId: 'a', generation: 0 })).toBe(false)
    tasks.add({ taskId: 'c', cancelledAt: now() })
    expect(tasks.size).toBe(2)
  })

  it('are bounded: the oldest are forgotten first', () => {
    const { tasks, now } = create()
    for (let index = 0; index < 25_000; index += 1) tasks.add({ taskId: `${index}`, cancelledAt: now() })
    expect(tasks.size).toBe(20_000)
    expect(tasks.has({ taskId: '4999', generation: 0 })).toBe(false)
    expect(tasks.has({ taskId: '5000', generation: 0 })).toBe(true)
  })
})

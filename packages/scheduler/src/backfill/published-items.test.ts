import { array, assert, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { createPublishedItems } from './published-items.ts'

describe('createPublishedItems', () => {
  it('counts the tasks of what came last, because that is what still waits', () => {
    const published = createPublishedItems()
    published.add(10, 1)
    published.add(5, 100)
    expect(published.newest(15)).toBe(510)
    expect(published.newest(7)).toBe(502)
    expect(published.newest(3)).toBe(300)
    expect(published.newest(0)).toBe(0)
  })

  it('takes messages that it knows nothing of for as large as the largest', () => {
    const published = createPublishedItems()
    expect(published.newest(4)).toBe(4)
    published.add(1, 50)
    expect(published.newest(4)).toBe(200)
  })

  it('never counts less than what waits', () => {
    const some = record({ messages: integer({ min: 0, max: 20 }), tasksEach: integer({ min: 1, max: 500 }) })
    assert(
      property(array(some, { maxLength: 10 }), integer({ min: 0, max: 100 }), (batches, taken) => {
        const published = createPublishedItems()
        const lane: number[] = []
        for (const { messages, tasksEach } of batches) {
          published.add(messages, tasksEach)
          for (let count = 0; count < messages; count += 1) lane.push(tasksEach)
        }
        const waiting = lane.slice(taken)
        expect(published.newest(waiting.length)).toBe(waiting.reduce((sum, tasks) => sum + tasks, 0))
      }),
    )
  })
})

import { describe, expect, it } from 'vitest'

import type { TaskFilter } from './task-filter.ts'
import { type Candidates, planTaskScan } from './task-scan.ts'

const many = Number.POSITIVE_INFINITY
const plan = (filter: TaskFilter, candidates: Partial<Candidates> = {}) =>
  planTaskScan(filter, { matching: many, named: many, queued: many, inIndex: many, ...candidates })

describe('planTaskScan', () => {
  it('reads nothing when the totals say that there is no such task', () => {
    expect(plan({ name: 'nothing', queue: 'default' }, { matching: 0, named: 0 })).toBeUndefined()
  })

  it('bounds what is read wherever that may be much', () => {
    const filters: TaskFilter[] = [
      {},
      { queue: 'slow' },
      { name: 'a', queue: 'slow' },
      { status: ['succeeded'] },
      { status: ['failed'], queue: 'slow' },
      { finishedFrom: '2026-01-01T00:00:00Z', name: 'a' },
      { scheduledTo: '2026-01-01T00:00:00Z' },
      { blockFrom: 7, name: 'a' },
    ]
    for (const filter of filters) expect(plan(filter)).toMatchObject({ most: expect.any(Number) })
  })

  it('reads all tasks of a name that has few, whatever else they are held to', () => {
    expect(plan({ name: 'rare', finishedTo: '2026-01-01T00:00:00Z' }, { named: 100 })).toEqual({
      read: { name: 'rare' },
      check: { finishedTo: '2026-01-01T00:00:00Z' },
      orderBy: 'finished_at',
    })
  })

  it('reads all tasks of a queue that has few', () => {
    expect(plan({ queue: 'rare', status: ['dead'] }, { queued: 100, inIndex: 50_000, matching: 10 })).toEqual({
      read: { queue: 'rare' },
      check: { status: ['dead'] },
      orderBy: 'id',
    })
  })

  it('lets the index of what is not done answer alone while that is small', () => {
    expect(plan({ status: ['failed'], name: 'a' }, { inIndex: 50_000 })).toMatchObject({ check: {}, orderBy: 'id' })
    const few = plan({ status: ['failed'], queue: 'slow' }, { inIndex: 50_000, matching: 10 })
    expect(few).toMatchObject({ read: { status: ['failed'] }, check: { queue: 'slow' }, isCovered: true })
    expect(plan({ status: ['failed'], queue: 'slow' }, { inIndex: 500_000, matching: 10 })).toHaveProperty('most')
  })

  it('uses every filter once', () => {
    const filter: TaskFilter = {
      status: ['failed'],
      name: 'a',
      queue: 'b',
      chain: 'c',
      blockFrom: 1,
      blockTo: 2,
      scheduledFrom: '2026-01-01T00:00:00Z',
      finishedTo: '2026-01-01T00:00:00Z',
    }
    for (const candidates of [
      {},
      { named: 1 },
      { queued: 1 },
      { inIndex: 1, matching: 1 },
      { inIndex: 1e6, matching: 1 },
    ]) {
      const { read = {}, check = {} } = plan(filter, candidates) ?? {}
      expect({ ...read, ...check }).toEqual(filter)
      expect(Object.keys(read).filter((key) => key in check)).toEqual([])
    }
  })
})

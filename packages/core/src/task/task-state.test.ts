import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compareProgress,
  FINAL_STATES,
  isFinal,
  stateRank,
  TASK_STATES,
  type TaskProgress,
  type TaskState,
  TRANSITIONS,
} from './task-state.ts'

const progress: fc.Arbitrary<TaskProgress> = fc.record({
  generation: fc.nat({ max: 2 }),
  attempt: fc.integer({ min: 1, max: 3 }),
  postpones: fc.nat({ max: 2 }),
  state: fc.constantFrom(...TASK_STATES),
})

describe('the order of progress', () => {
  it('is total: of two different ones exactly one is ahead', () => {
    fc.assert(
      fc.property(progress, progress, (a, b) => {
        expect(Math.sign(compareProgress(a, b))).toBe(-Math.sign(compareProgress(b, a)) + 0)
        const same = (Object.keys(a) as (keyof TaskProgress)[]).every((key) => a[key] === b[key])
        expect(compareProgress(a, b) === 0).toBe(same)
      }),
    )
  })

  it('is transitive', () => {
    fc.assert(
      fc.property(progress, progress, progress, (a, b, c) => {
        const [first, second, third] = [a, b, c].toSorted(compareProgress) as [TaskProgress, TaskProgress, TaskProgress]
        expect(compareProgress(first, second)).toBeLessThanOrEqual(0)
        expect(compareProgress(second, third)).toBeLessThanOrEqual(0)
        expect(compareProgress(first, third)).toBeLessThanOrEqual(0)
      }),
    )
  })

  it('ends in the same place whatever order events arrive in, and however often', () => {
    fc.assert(
      fc.property(fc.array(progress, { minLength: 1 }), fc.infiniteStream(fc.nat()), (events, random) => {
        const latest = (list: readonly TaskProgress[]) => list.reduce((a, b) => (compareProgress(a, b) < 0 ? b : a))
        const disorder = [...events, ...events].map((event) => ({ event, at: random.next().value as number }))
        const shuffled = disorder.toSorted((a, b) => a.at - b.at).map(({ event }) => event)
        expect(latest(shuffled)).toEqual(latest(events))
      }),
    )
  })

  const at = (state: TaskState, attempt = 1, postpones = 0, generation = 0): TaskProgress => ({
    state,
    attempt,
    postpones,
    generation,
  })

  it('follows the life of a task that is retried, postponed and succeeds', () => {
    const life = [
      at('scheduled'),
      at('running'),
      at('retrying'),
      at('running', 2),
      at('postponed', 2),
      at('running', 2, 1),
      at('retrying', 2, 1),
      at('running', 3, 1),
      at('succeeded', 3, 1),
    ]
    for (const [index, next] of life.slice(1).entries()) {
      expect(compareProgress(life[index] as TaskProgress, next)).toBeLessThan(0)
    }
  })

  it('keeps a success, whatever a second delivery of the same task does later', () => {
    for (const state of TASK_STATES.filter((one) => one !== 'succeeded')) {
      expect(compareProgress(at('succeeded', 1), at(state, 9, 9))).toBeGreaterThan(0)
    }
  })

  it('lets a deliberate re-run overtake even a success', () => {
    expect(compareProgress(at('scheduled', 1, 0, 1), at('succeeded', 3))).toBeGreaterThan(0)
  })
})

describe('states', () => {
  it('are listed once each, with a rank and with where they may lead', () => {
    expect(new Set(TASK_STATES).size).toBe(TASK_STATES.length)
    expect(new Set(TASK_STATES.map(stateRank)).size).toBe(TASK_STATES.length)
    expect(Object.keys(TRANSITIONS).toSorted()).toEqual(TASK_STATES.toSorted())
  })

  it('are final when nothing but a late success leads out of them', () => {
    for (const state of TASK_STATES) {
      const ways = TRANSITIONS[state].filter((to) => to !== 'succeeded')
      expect({ state, final: isFinal(state) }).toEqual({ state, final: ways.length === 0 })
    }
    expect(TRANSITIONS.succeeded).toEqual([])
  })

  it('can each be reached from scheduled, and from each a final one can be reached', () => {
    const reach = (from: TaskState): Set<TaskState> => {
      const seen = new Set<TaskState>([from])
      for (const state of seen) for (const next of TRANSITIONS[state]) seen.add(next)
      return seen
    }
    expect(reach('scheduled')).toEqual(new Set(TASK_STATES))
    for (const state of TASK_STATES)
      expect([...reach(state)].some((one) => FINAL_STATES.some((final) => final === one))).toBe(true)
  })

  it('never lead to one that progress would call a step back within an attempt', () => {
    for (const state of TASK_STATES) {
      for (const next of TRANSITIONS[state]) {
        // A new attempt, or a further postpone, is what makes these a step forward.
        if (next === 'running' || next === 'postponed' || next === 'retrying') continue
        expect(stateRank(next)).toBeGreaterThan(stateRank(state))
      }
    }
  })
})

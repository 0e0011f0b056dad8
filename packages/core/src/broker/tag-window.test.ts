import { array, assert, constant, nat, oneof, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { TagWindow } from './tag-window.ts'

const step = oneof(
  { weight: 4, arbitrary: record({ type: constant('push' as const), at: constant(0) }) },
  { weight: 3, arbitrary: record({ type: constant('take' as const), at: nat() }) },
  { weight: 1, arbitrary: record({ type: constant('takeUpTo' as const), at: nat() }) },
)

describe('TagWindow', () => {
  it('gives consecutive tags from 1 and returns each value once', () => {
    const window = new TagWindow<string>()
    expect(window.nextTag).toBe(1)
    window.push('a')
    window.push('b')
    expect(window.nextTag).toBe(3)
    expect(window.get(2)).toBe('b')
    expect(window.take(2)).toBe('b')
    expect(window.take(2)).toBeUndefined()
    expect(window.take(99)).toBeUndefined()
    expect(window.oldest).toBe('a')
    expect(window.takeUpTo(99)).toEqual(['a'])
    expect(window.oldest).toBeUndefined()
    expect(window.size).toBe(0)
  })

  it('behaves like a map with ascending keys, also after it has forgotten thousands', () => {
    assert(
      property(array(step, { maxLength: 200 }), nat(3_000), (steps, before) => {
        const window = new TagWindow<string>()
        for (let tag = 1; tag <= before; tag += 1) window.push(`${tag}`)
        window.takeUpTo(before)
        const model = new Map<number, string>()
        for (const { type, at } of steps) {
          const tag = before + (at % (window.nextTag - before + 1))
          if (type === 'push') {
            model.set(window.nextTag, `${window.nextTag}`)
            window.push(`${window.nextTag}`)
          } else if (type === 'take') {
            expect(window.take(tag)).toBe(model.get(tag))
            model.delete(tag)
          } else {
            const expected = [...model].filter(([each]) => each <= tag)
            expect(window.takeUpTo(tag)).toEqual(expected.map(([, value]) => value))
            for (const [each] of expected) model.delete(each)
          }
          expect(window.size).toBe(model.size)
          expect(window.oldest).toBe(model.values().next().value)
        }
        const visited: string[] = []
        window.forEach((value) => visited.push(value))
        expect(visited).toEqual([...model.values()])
      }),
    )
  })
})

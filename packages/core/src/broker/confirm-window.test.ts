import { array, assert, boolean, constant, integer, oneof, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { ConfirmWindow } from './confirm-window.ts'

const step = oneof(
  record({ type: constant('add' as const), count: integer({ min: 1, max: 1_500 }) }),
  record({ type: constant('take' as const), share: integer({ min: 0, max: 110 }), multiple: boolean() }),
  record({ type: constant('clear' as const) }),
)

describe('ConfirmWindow', () => {
  it('behaves like a map in the order of its tags', () => {
    assert(
      property(array(step, { maxLength: 10 }), (steps) => {
        const window = new ConfirmWindow<string>()
        const model = new Map<number, string>()
        let nextTag = 1
        for (const one of steps) {
          if (one.type === 'add') {
            for (let added = 0; added < one.count; added += 1, nextTag += 1) {
              window.add(`message ${nextTag}`)
              model.set(nextTag, `message ${nextTag}`)
            }
          } else if (one.type === 'take') {
            const tag = Math.ceil((nextTag * one.share) / 100)
            const answered = [...model.keys()].filter((each) => (one.multiple ? each <= tag : each === tag))
            expect(window.take(tag, one.multiple)).toEqual(answered.map((each) => model.get(each)))
            for (const each of answered) model.delete(each)
          } else {
            window.clear()
            model.clear()
          }
          expect(window.size).toBe(model.size)
          expect(window.nextTag).toBe(nextTag)
          expect(window.first()).toBe([...model.values()][0])
        }
        expect(window.values()).toEqual([...model.values()])
        const tags = Array.from({ length: nextTag + 1 }, (_, tag) => tag)
        expect(tags.map((tag) => window.get(tag))).toEqual(tags.map((tag) => model.get(tag)))
      }),
    )
  })
})

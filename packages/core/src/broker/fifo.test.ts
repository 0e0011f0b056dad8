import { array, assert, constant, integer, nat, oneof, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { Fifo } from './fifo.ts'

const step = oneof(
  record({ type: constant('push' as const), count: integer({ min: 1, max: 900 }) }),
  record({ type: constant('shift' as const), count: integer({ min: 1, max: 900 }) }),
  record({ type: constant('putFirst' as const), count: nat(3) }),
)

describe('Fifo', () => {
  it('behaves like an array', () => {
    assert(
      property(array(step, { maxLength: 30 }), (steps) => {
        const fifo = new Fifo<number>()
        let model: number[] = []
        let next = 0
        for (const { type, count } of steps) {
          const values = Array.from({ length: count }, () => next++)
          if (type === 'push') {
            for (const value of values) fifo.push(value)
            model = [...model, ...values]
          } else if (type === 'putFirst') {
            fifo.putFirst(values)
            model = [...values, ...model]
          } else {
            expect(values.map(() => fifo.shift())).toEqual(values.map((_, index) => model[index]))
            model = model.slice(count)
          }
          expect(fifo.length).toBe(model.length)
        }
        expect(fifo.takeAll()).toEqual(model)
        expect(fifo.length).toBe(0)
        expect(fifo.shift()).toBeUndefined()
      }),
    )
  })
})

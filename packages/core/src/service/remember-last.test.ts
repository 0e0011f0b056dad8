import { expect, it, vi } from 'vitest'

import { rememberLast } from './remember-last.ts'

it('works out each run of equal inputs once, and what is asked between others anew', () => {
  const convert = vi.fn((input: string) => `${input}!`)
  const converted = rememberLast(convert)
  expect(['a', 'a', 'b', 'b', 'a', '', ''].map(converted)).toEqual(['a!', 'a!', 'b!', 'b!', 'a!', '!', '!'])
  expect(convert.mock.calls.flat()).toEqual(['a', 'b', 'a', ''])
})

it('throws again for what it could not convert, and still knows the last that it could', () => {
  const convert = vi.fn((input: number) => {
    if (input < 0) throw new RangeError(`${input} is negative`)
    return Math.sqrt(input)
  })
  const root = rememberLast(convert)
  expect(root(4)).toBe(2)
  for (let count = 0; count < 2; count += 1) expect(() => root(-1)).toThrow('-1 is negative')
  expect(root(4)).toBe(2)
  expect(convert).toHaveBeenCalledTimes(3)
})

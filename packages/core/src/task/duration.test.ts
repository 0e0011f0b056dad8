import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Duration, durationMs, formatDuration } from './duration.ts'

describe('a duration', () => {
  it.each<[Duration, number]>([
    ['250ms', 250],
    ['5s', 5_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0s', 0],
    [0, 0],
    [1_500, 1_500],
    [0.4, 0],
  ])('of %j is %i ms', (duration, expected) => {
    expect(durationMs(duration, 'pause')).toBe(expected)
  })

  it.each([
    '',
    '5',
    '-1s',
    'soon',
    '5 parsecs',
    '1e3ms',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    undefined,
    {},
  ])('is not %j: the error names the setting and the value', (duration) => {
    expect(() => durationMs(duration as Duration, 'retry.pause')).toThrow(/^retry\.pause is .*not a duration/)
  })

  it('in milliseconds is taken as it is', () => {
    fc.assert(
      fc.property(fc.nat(), (value) => {
        expect(durationMs(value, '')).toBe(value)
        expect(durationMs(`${value}ms`, '')).toBe(value)
      }),
    )
  })
})

it.each([
  [0, '0ms'],
  [999, '999ms'],
  [5_000, '5s'],
  [5_250, '5.3s'],
  [90_000, '1.5m'],
  [5_400_000, '1.5h'],
  [604_800_000, '7d'],
])('shows %i ms as %s', (durationInMs, text) => {
  expect(formatDuration(durationInMs)).toBe(text)
})

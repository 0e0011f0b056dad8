import { describe, expect, it } from 'vitest'
import { parseSetting } from './setting.ts'
import { workerSettings } from './worker-settings.ts'

const read = (text: string) => parseSetting(workerSettings.rateLimits, text)

describe('rate limits of queues', () => {
  it('are read with their windows and scopes', () => {
    expect(read('high-priority=10/s, default=1000/m/global')).toEqual({
      value: {
        'high-priority': { limit: 10, perMs: 1_000, scope: 'worker' },
        default: { limit: 1_000, perMs: 60_000, scope: 'global' },
      },
    })
  })

  it.each([
    ['default', '"default" is no limit; write it like default=10/s'],
    ['default=', '"default=" is no limit'],
    ['default=10', '"default=10" is no limit'],
    ['default=10/s=2', '"default=10/s=2" is no limit'],
    ['My.Queue=10/s', '"My.Queue=10/s" names no queue'],
    ['a=1/s,a=2/s', '"a=2/s" is the second limit of queue a'],
    ['a=0/s,b=1/y', /"a=0\/s" is no limit.*"b=1\/y" is no limit/],
  ])('%j is refused, and the part that is wrong is named', (text, problem) => {
    expect(read(text)).toEqual({ problem: expect.stringMatching(problem) as string })
  })

  it('must be some', () => {
    expect(read(' , ')).toEqual({ problem: expect.stringContaining('such as high-priority=10/s') as string })
  })
})

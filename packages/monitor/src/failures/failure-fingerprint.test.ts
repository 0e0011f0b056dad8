import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { failureFingerprint, normalisedMessage, ownFrame } from './failure-fingerprint.ts'

const stack = (...frames: readonly string[]) => ['Error: no', ...frames.map((frame) => `    at ${frame}`)].join('\n')
const error = { name: 'Error', message: 'no', stack: stack('run (file:///app/tasks/a.ts:7:11)') }

describe('a normalised message', () => {
  it.each([
    ['block 123 of 4567.5 took 30s', 'block <n> of <n> took <n>s'],
    ['task 018f2e00-0000-7abc-8def-0123456789ab is gone', 'task <id> is gone'],
    ['hash 0xDEADbeef00, tx deadbeef01', 'hash <n>, tx <n>'],
    ["no such key 'alice' in \"bob's box\" of `carol`", 'no such key <text> in <text> of <text>'],
    ["can't read what isn't there", "can't read what isn't there"],
    ['connect ECONNREFUSED 127.0.0.1:9944', 'connect ECONNREFUSED <n>'],
    ['at 2026-01-02T03:04:05.678Z', 'at <n>T<n>Z'],
    ['a defaced facade', 'a defaced facade'],
    ['two\n  lines', 'two lines'],
    ['', ''],
  ])('of %j is %j', (message, expected) => {
    expect(normalisedMessage(message)).toBe(expected)
  })

  it('is the same whatever the numbers, ids and quoted texts are', () => {
    const quotable = fc.string().filter((text) => !/['\n]/.test(text))
    fc.assert(
      fc.property(
        fc.nat(),
        fc.uuid(),
        quotable,
        fc.nat(),
        fc.uuid(),
        quotable,
        (a, id, text, b, otherId, otherText) => {
          const message = (...[number, one, quoted]: [number, string, string]) =>
            `${number}: task ${one} lacks '${quoted}'`
          expect(normalisedMessage(message(a, id, text))).toBe(normalisedMessage(message(b, otherId, otherText)))
        },
      ),
    )
  })

  it('takes any text, and is quick for hostile ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units)),
        (message) => !/\d/.test(normalisedMessage(message)),
      ),
    )
    const begun = performance.now()
    for (const part of ['"', "'", '`', ' "', '0x', 'a1', '1.', '-1', 'deadbeef-'])
      normalisedMessage(part.repeat(100_000))
    expect(performance.now() - begun).toBeLessThan(2_000)
  })
})

describe('the own frame', () => {
  it.each([
    ['a function', ['run (file:///app/tasks/a.ts:7:11)'], 'run (tasks/a.ts)'],
    ['an awaited method', ['async Reader.read (/app/lib/reader.ts:1:2)'], 'Reader.read (lib/reader.ts)'],
    ['no function', ['file:///app/tasks/a.ts:7:11'], 'tasks/a.ts'],
    ['a module that was imported anew', ['run (file:///app/tasks/a.ts?v=17:7:11)'], 'run (tasks/a.ts)'],
    ['Windows', [String.raw`run (C:\app\tasks\a.ts:7:11)`], 'run (tasks/a.ts)'],
    [
      'packages and Node above it',
      [
        'fail (/app/node_modules/x/index.js:1:1)',
        'process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
        'new Promise (<anonymous>)',
        'run (/app/tasks/a.ts:7:11)',
        'execute (/app/tasks/b.ts:1:1)',
      ],
      'run (tasks/a.ts)',
    ],
    ['nothing of its own', ['fail (/app/node_modules/x/index.js:1:1)'], undefined],
    ['no frames', [], undefined],
  ])('of a stack with %s', (_what, frames, expected) => {
    expect(ownFrame({ name: 'Error', message: 'no', stack: stack(...frames) })).toBe(expected)
  })

  it('is none without a stack, and is not taken from the message', () => {
    expect(ownFrame({ name: 'Error', message: 'no' })).toBeUndefined()
    const message = 'no\n    at evil (/a/b.ts:1:1)'
    expect(ownFrame({ name: 'Error', message, stack: `Error: ${message}\n    at run (/app/tasks/a.ts:7:11)` })).toBe(
      'run (tasks/a.ts)',
    )
  })
})

describe('a fingerprint', () => {
  it('is the same on another machine, and after an edit further up', () => {
    const moved = { ...error, stack: stack('run (file:///home/me/app/tasks/a.ts:70:3)') }
    expect(failureFingerprint('t', moved)).toBe(failureFingerprint('t', error))
    expect(failureFingerprint('t', error)).toMatch(/^[0-9a-f]{16}$/)
  })

  it('is another for another task, class, message or place', () => {
    const others = [
      failureFingerprint('t', error),
      failureFingerprint('u', error),
      failureFingerprint('t', { ...error, name: 'TypeError' }),
      failureFingerprint('t', { ...error, message: 'never' }),
      failureFingerprint('t', { ...error, stack: stack('read (file:///app/tasks/a.ts:7:11)') }),
      failureFingerprint('t', { ...error, stack: stack('run (file:///app/tasks/b.ts:7:11)') }),
      failureFingerprint('t', { name: 'Error', message: 'no' }),
    ]
    expect(new Set(others).size).toBe(others.length)
  })
})

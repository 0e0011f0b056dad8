import { describe, expect, it } from 'vitest'

import { defineRangeTask } from './define-range-task.ts'
import { defineTask } from './define-task.ts'
import type { RetentionOptions } from './retention.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
const define = (options: RetentionOptions) => defineTask({ name: 'a', run: () => undefined, ...options })

describe('the retention of a task', () => {
  it.each<[RetentionOptions, unknown]>([
    [{}, undefined],
    [{ deleteOnComplete: false }, undefined],
    [{ retention: '30d' }, { succeededMs: 30 * DAY_MS, failedMs: 30 * DAY_MS }],
    [{ retention: 'never' }, { succeededMs: null, failedMs: null }],
    [{ retention: { succeeded: '1d' } }, { succeededMs: DAY_MS }],
    [{ retention: { succeeded: 0, failed: 'never' } }, { succeededMs: 0, failedMs: null }],
    [{ deleteOnComplete: true }, { succeededMs: 0 }],
    [
      { deleteOnComplete: true, retention: '30d' },
      { succeededMs: 0, failedMs: 30 * DAY_MS },
    ],
    [
      { deleteOnComplete: true, retention: { failed: '90d' } },
      { succeededMs: 0, failedMs: 90 * DAY_MS },
    ],
  ])('of %j is %j', (options, expected) => {
    expect(define(options).retention).toEqual(expected)
  })

  it.each<[object, string]>([
    [{ retention: 'tomorrow' }, 'retention is "tomorrow", which is not a duration'],
    [{ retention: '4000d' }, "retention is '4000d'; it must be at most 3650d"],
    [{ retention: -1 }, 'retention is -1'],
    [{ retention: null }, 'retention is null'],
    [{ retention: ['1d'] }, "retention is [ '1d' ]"],
    [{ retention: { succeeded: '1 fortnight' } }, 'retention.succeeded is "1 fortnight"'],
    [{ retention: { completed: '1d' } }, 'retention.completed is not known'],
    [{ deleteOnComplete: 'yes' }, "deleteOnComplete is 'yes'"],
    [{ deleteOnComplete: true, retention: { succeeded: '1d' } }, 'contradict each other'],
  ])('may not be %j', (options, text) => {
    expect(() => define(options)).toThrow(text)
  })

  it('is for the batches of a range task as well', () => {
    const batches = { name: 'a', run: () => undefined }
    expect(defineRangeTask({ ...batches, deleteOnComplete: true }).retention).toEqual({ succeededMs: 0 })
    expect(() => defineRangeTask({ ...batches, retention: '4000d' })).toThrow('at most 3650d')
  })
})

import { expect, it } from 'vitest'

import { createFailureTracker, HOPELESS_AFTER, MAX_BISECTIONS } from './failure-tracker.ts'

it('gives up hope when one batch after the other fails, and none has succeeded since', () => {
  const failures = createFailureTracker()
  for (let number = 1; number < HOPELESS_AFTER; number += 1) failures.failed(number)
  expect(failures.isHopeless).toBe(false)
  failures.failed(HOPELESS_AFTER)
  expect(failures.isHopeless).toBe(true)
  failures.succeeded()
  expect(failures.isHopeless).toBe(false)
})

it('does not give up hope over one batch, however many of its pieces fail, but cuts these no more', () => {
  const failures = createFailureTracker()
  for (let failed = 0; failed < MAX_BISECTIONS; failed += 1) failures.failed(1)
  expect(failures).toMatchObject({ isHopeless: false })
  expect(failures.mayBisect(1)).toBe(true)
  failures.failed(1)
  expect([failures.mayBisect(1), failures.mayBisect(2)]).toEqual([false, true])
})

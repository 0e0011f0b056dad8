import { expect, test } from 'vitest'

import { chaosSettings } from './chaos.mjs'

test('runs what is asked for, and what continuous integration runs when nothing is', () => {
  expect(chaosSettings(['--runs', '200', '--seed', '7'])).toEqual({
    environment: { CHAOS_RUNS: '200', CHAOS_SEED: '7' },
  })
  expect(chaosSettings([])).toEqual({ environment: { CHAOS_RUNS: '20', CHAOS_SEED: '1' } })
})

test.each([[['--runs', '0']], [['--seed', 'x']], [['--seed', '-1']], [['--frobs', '2']], [['200']]])(
  'says what is wrong with %j',
  (args) => {
    expect(chaosSettings(args)).toEqual({ usage: expect.stringContaining(`npm run test:chaos`) })
  },
)

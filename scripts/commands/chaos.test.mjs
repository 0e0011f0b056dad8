import { expect, test } from 'vitest'

import { chaosSettings } from './chaos.mjs'

test('runs what is asked for, and what continuous integration runs when nothing is', () => {
  const kills = { project: 'e2e', args: ['test/e2e/chaos.test.ts'] }
  expect(chaosSettings(['--runs', '200', '--seed', '7'])).toEqual({
    ...kills,
    environment: { CHAOS_RUNS: '200', CHAOS_SEED: '7' },
  })
  expect(chaosSettings([])).toEqual({ ...kills, environment: { CHAOS_RUNS: '20', CHAOS_SEED: '1' } })
})

test.each([
  ['60s', '60000'],
  ['2m', '120000'],
])('takes the database away for %s instead', (time, expected) => {
  expect(chaosSettings(['--database-down', time])).toEqual({
    project: 'integration',
    args: expect.arrayContaining(['packages/monitor/test/monitor.integration.test.ts']),
    environment: { CHAOS_DATABASE_DOWN_MS: expected },
  })
})

test.each([
  [['--runs', '0']],
  [['--seed', 'x']],
  [['--seed', '-1']],
  [['--frobs', '2']],
  [['200']],
  [['--database-down', '60']],
  [['--database-down', '0s']],
  [['--database-down', '1s', '--runs', '2']],
])('says what is wrong with %j', (args) => {
  expect(chaosSettings(args)).toEqual({ usage: expect.stringContaining(`npm run test:chaos`) })
})

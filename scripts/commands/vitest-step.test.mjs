import { expect, test } from 'vitest'

import { countTests } from './vitest-step.mjs'

const file = (status, ...tests) => ({ status, assertionResults: tests.map((state) => ({ status: state })) })

test('counts tests, not files', () => {
  const testResults = [file('passed', 'passed', 'passed', 'skipped'), file('failed', 'passed', 'failed')]
  expect(countTests({ testResults }, 1)).toEqual({ passed: 3, failed: 1, skipped: 1 })
})

test('counts a file that could not be loaded as a failure', () => {
  const testResults = [file('passed', 'passed'), file('failed')]
  expect(countTests({ testResults }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
})

test('counts a run that ends badly although every test passed as a failure', () => {
  expect(countTests({ testResults: [file('passed', 'passed')] }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
})

test('counts a run without any test as a failure', () => {
  expect(countTests({ testResults: [] }, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
  expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

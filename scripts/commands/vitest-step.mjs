import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'

import { nodeTool } from './step.mjs'

/**
 * How vitest is started for the tests of one kind: the project of that name and those whose names begin with it.
 *
 * @param {'unit' | 'integration' | 'e2e'} kind
 * @param {readonly string[]} args
 */
export function vitestRun(kind, args) {
  return nodeTool('vitest', ['run', '--project', `${kind}*`, ...args])
}

/**
 * A run of the tests of one kind that counts them.
 *
 * @param {'unit' | 'integration' | 'e2e'} kind
 * @returns {import('./step.mjs').Step}
 */
export function vitestStep(kind) {
  const report = path.join('.blockmill', 'test', `${kind}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  // A report of an earlier run must never be counted for this one.
  rmSync(report, { force: true })
  return {
    name: `${kind} tests`,
    ...vitestRun(kind, reporters),
    count: (status) => countTests(readReport(report), status),
  }
}

/**
 * Counts from a vitest JSON report. A test file that could not be loaded has no tests to fail and counts as one failure,
 * and so does a run that ends badly with nothing to show for it: a crash, an unhandled error, no tests at all.
 *
 * @param {{ testResults?: { status: string, assertionResults: { status: string }[] }[] } | undefined} report
 * @param {number} status exit status of vitest
 * @returns {import('./step.mjs').Counts}
 */
export function countTests(report, status) {
  const files = report?.testResults ?? []
  const tests = files.flatMap((file) => file.assertionResults)
  const count = (wanted) => tests.filter((test) => test.status === wanted).length
  const passed = count('passed')
  const unloaded = files.filter((file) => file.status === 'failed' && !hasFailedTest(file)).length
  const failed = count('failed') + unloaded
  const skipped = tests.length - passed - count('failed')
  return { passed, failed: failed === 0 && (status !== 0 || passed === 0) ? 1 : failed, skipped }
}

function hasFailedTest(file) {
  return file.assertionResults.some((test) => test.status === 'failed')
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    // Not written, or cut short: vitest crashed, which its exit status tells.
    return undefined
  }
}

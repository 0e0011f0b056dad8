import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

/**
 * One program of a check.
 *
 * @typedef {object} Step
 * @property {string} name as printed
 * @property {string} command
 * @property {readonly string[]} args
 * @property {string} [cwd]
 * @property {(status: number) => Counts} [count] tests inside the step; without it, the step itself counts as one
 *
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {Counts & { name: string, seconds: number }} Result
 */

/** Where the closing line is kept, for a caller whose own tools print after it. */
export const SUMMARY_FILE = path.join('.blockmill', 'test', 'summary.txt')

const running = new Set()
let interruptedBy

/**
 * How a library's program is started with this Node, without a shell or a wrapper in between.
 *
 * @param {string} library
 * @param {readonly string[]} args
 * @param {string} [program] its name, where it is not the library's
 * @returns {{ command: string, args: string[] }}
 */
export function nodeTool(library, args, program = library) {
  const home = path.resolve('node_modules', library)
  const { bin } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8'))
  const script = typeof bin === 'string' ? bin : bin[program]
  return { command: process.execPath, args: [path.join(home, script), ...args] }
}

/**
 * Runs steps one after the other, each with its output as it comes. A failed one does not stop the rest.
 *
 * @param {readonly Step[]} steps
 * @returns {Promise<Result[]>}
 */
export async function runSteps(steps) {
  const results = []
  for (const step of steps) {
    if (interruptedBy !== undefined) break
    process.stdout.write(`\n── ${step.name}\n`)
    results.push(await run(step, 'inherit'))
  }
  return results
}

/**
 * Runs steps at the same time, four at most; the output of each is printed when it ends.
 *
 * @param {readonly Step[]} steps
 * @returns {Promise<Result[]>}
 */
export async function runStepsTogether(steps) {
  const waiting = [...steps]
  const results = []
  const runInTurn = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      if (interruptedStatus() === undefined) results.push(await run(step, 'pipe'))
    }
  }
  await Promise.all(Array.from({ length: 4 }, runInTurn))
  return results
}

/**
 * Prints the closing lines: skipped tests, the names of what failed, and last `N passed, N failed`.
 *
 * @param {readonly Result[]} results
 * @returns {number} exit status: 0 only when something ran and nothing failed
 */
export function summarize(results) {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  const failures = results.filter((result) => result.failed > 0).map((result) => result.name)
  const lines = ['']
  if (sum('skipped') > 0) lines.push(`${sum('skipped')} skipped`)
  if (interruptedBy !== undefined) lines.push(`interrupted by ${interruptedBy}`)
  if (failures.length > 0) lines.push(`failed: ${failures.join(', ')}`)
  const closing = `${sum('passed')} passed, ${sum('failed')} failed`
  process.stdout.write(`${lines.join('\n')}\n${closing}\n`)
  mkdirSync(path.dirname(SUMMARY_FILE), { recursive: true })
  writeFileSync(SUMMARY_FILE, `${closing}\n`)
  return sum('failed') === 0 && sum('passed') > 0 ? 0 : 1
}

/** Exit status that a signal asks for, once one has come. */
export function interruptedStatus() {
  return interruptedBy === undefined ? undefined : 128 + os.constants.signals[interruptedBy]
}

/** @returns {Promise<Result>} */
function run(step, output) {
  const started = performance.now()
  const env = process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1' } : process.env
  return new Promise((resolve) => {
    const child = spawn(step.command, step.args, { cwd: step.cwd, env, stdio: ['ignore', output, output] })
    running.add(child)
    let printed = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (printed += chunk))
    child.stderr?.setEncoding('utf8').on('data', (chunk) => (printed += chunk))
    child.once('error', (error) => (printed += `${error.message}\n`))
    child.once('close', (status) => {
      running.delete(child)
      const counts = (step.count ?? countAsOne)(status ?? 1)
      const seconds = (performance.now() - started) / 1000
      const mark = counts.failed === 0 ? '✓' : '✗'
      // What a passing checker has to say is noise; tests say how many they were.
      const shown = counts.failed > 0 || step.count !== undefined ? printed : ''
      process.stdout.write(`${shown}${mark} ${step.name} (${seconds.toFixed(1)} s)\n`)
      resolve({ name: step.name, seconds, ...counts })
    })
  })
}

function countAsOne(status) {
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 }
}

// Whatever ends this process (a closed pipe, say), its programs do not outlive it.
process.on('exit', () => {
  for (const child of running) child.kill()
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruptedBy ??= signal
    for (const child of running) child.kill(signal)
  })
}

import { setTimeout as delay } from 'node:timers/promises'

import { ConfigurationError, listenForStop, type LoadConfigOptions, loadConfig } from '@blockmill/core'

import { EXIT_STATUS } from '../exit-status.ts'
import { UnexpectedEnd } from './demo-child.ts'
import { type DemoProgress, readCoverage, readProgress, readTaskSummaries } from './demo-record.ts'
import { demoSettings } from './demo-settings.ts'
import { type DemoSystem, FIRST_BLOCK, startDemoSystem } from './demo-system.ts'
import { findMissing, summaryTable } from './demo-verdict.ts'
import { createProgressView } from './progress-view.ts'

export interface DemoOptions {
  /** End when every task of this many blocks is finished. Without it, the demo runs until it is interrupted. */
  readonly blocks?: number
  readonly sources: LoadConfigOptions
}

const LOOK_EVERY_MS = 500
/** When nothing at all has changed for this long, nothing will. */
const STUCK_AFTER_MS = 90_000

/**
 * Runs the whole system on this machine until it is interrupted, or until `blocks` blocks are done. Whatever happens,
 * everything that it started is stopped.
 *
 * @returns the exit status. With `blocks`: 0 only if nothing is missing, 130 when interrupted before that. A process of the
 * system that ends by itself fails the demo.
 */
export async function runDemo({ blocks, sources }: DemoOptions): Promise<number> {
  const steps: (() => unknown)[] = []
  const cleanUp = (step: () => unknown): unknown => steps.push(step)
  const stopRequest = listenForStop(() => say('\nStopping …'))
  const { signal } = stopRequest
  try {
    const { config } = await loadConfig(demoSettings, sources)
    say('Blockmill: the whole system on this machine, on real parts.\n')
    const system = await startDemoSystem({ config, signal, cleanUp, say })
    return await Promise.race([followSystem(system, blocks, signal), ...system.children.map((child) => child.failed)])
  } catch (error) {
    if (signal.aborted) return blocks === undefined ? EXIT_STATUS.ok : EXIT_STATUS.interrupted
    if (!(error instanceof UnexpectedEnd) && !(error instanceof ConfigurationError)) throw error
    process.stderr.write(`${error.message}\n`)
    return EXIT_STATUS.failure
  } finally {
    await undo(steps)
    stopRequest.dispose()
  }
}

/** Runs all steps, last first. One that fails is told, and keeps none of the others from being run. */
async function undo(steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps.toReversed()) {
    try {
      await step()
    } catch (error) {
      process.stderr.write(`Could not stop everything: ${error instanceof Error ? error.stack : String(error)}\n`)
    }
  }
  if (steps.length > 0) say('Everything has been stopped.')
}

async function followSystem(system: DemoSystem, blocks: number | undefined, signal: AbortSignal): Promise<number> {
  const view = createProgressView(process.stdout)
  let last = ''
  let changedAt = performance.now()
  for (;;) {
    const progress = await readProgress(system.database)
    signal.throwIfAborted()
    view.show({ ...progress, head: system.head() })
    if (blocks !== undefined) {
      if (JSON.stringify(progress) !== last) changedAt = performance.now()
      last = JSON.stringify(progress)
      const isStuck = performance.now() - changedAt > STUCK_AFTER_MS
      if (isStuck) say(`\nNothing has changed for ${STUCK_AFTER_MS / 1_000} seconds.`)
      const status = await judge(system, blocks, progress, isStuck)
      if (status !== undefined) return status
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** The exit status once nothing is missing, or once `isFinal`; `undefined` as long as there is hope. */
async function judge(
  { tasks, database }: DemoSystem,
  blocks: number,
  progress: DemoProgress,
  isFinal: boolean,
): Promise<number | undefined> {
  const range = { from: FIRST_BLOCK, to: FIRST_BLOCK + blocks - 1 }
  if (progress.evaluatedTo < range.to && !isFinal) return undefined
  const [coverage, summaries] = [await readCoverage(database), await readTaskSummaries(database, range)]
  const missing = findMissing({ blocks: range, tasks, coverage, summaries })
  if (missing.length > 0 && !isFinal) return undefined
  say(`\nBlocks ${range.from} to ${range.to}; p50 and p95: from the block being seen to the handler being started.\n`)
  say(summaryTable(summaries))
  if (missing.length === 0) say('\nNothing is missing: no gap in coverage, and every scheduled task is finished.')
  else say(`\nMissing:\n${missing.map((line) => `  - ${line}`).join('\n')}`)
  return missing.length === 0 ? EXIT_STATUS.ok : EXIT_STATUS.failure
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import {
  ConfigurationError,
  createSilentLogger,
  type Database,
  defineSettings,
  discoverTasks,
  listenForStop,
  loadConfig,
  openDatabase,
  schedulerSettings,
  type TaskRegistry,
} from '@blockmill/core'

import { EXIT_STATUS } from '../exit-status.ts'
import { type DemoChild, startDemoChild, UnexpectedEnd } from './demo-child.ts'
import { type DemoProgress, readCoverage, readProgress, readTaskSummaries } from './demo-record.ts'
import { startDemoServices } from './demo-services.ts'
import { findMissing, summaryTable } from './demo-verdict.ts'
import { createProgressView } from './progress-view.ts'
import { watchHead } from './watch-head.ts'

export interface DemoOptions {
  /** End when every task of this many blocks is finished. Without it, the demo runs until it is interrupted. */
  readonly blocks?: number
  /** Milliseconds between two blocks of the development chain. */
  readonly blockTime: number
}

const MAIN = fileURLToPath(new URL(`../main${path.extname(import.meta.filename)}`, import.meta.url))
const LOGS = path.join('.blockmill', 'demo', 'logs')
const CHAIN = 'dev'
/** The development chain begins there. */
const FIRST_BLOCK = 1
const LOOK_EVERY_MS = 500
/** When nothing at all has changed for this long, nothing will. */
const STUCK_AFTER_MS = 90_000

/** What is undone at the end, in reverse order. */
type CleanUp = (step: () => unknown) => void

/**
 * Runs the whole system on this machine until it is interrupted, or until `blocks` blocks are done.
 *
 * @returns the exit status. With `blocks`: 0 only if nothing is missing, 130 when interrupted before that. A process of the
 * system that ends by itself fails the demo.
 */
export async function runDemo({ blocks, blockTime }: DemoOptions): Promise<number> {
  const steps: (() => unknown)[] = []
  const stopRequest = listenForStop(() => say('\nStopping …'))
  try {
    const system = await startSystem(blockTime, stopRequest.signal, (step) => steps.push(step))
    const outcome = await Promise.race([
      followSystem(system, blocks, stopRequest.signal),
      ...system.children.map((child) => child.failed),
    ])
    return outcome
  } catch (error) {
    if (stopRequest.signal.aborted) return blocks === undefined ? EXIT_STATUS.ok : EXIT_STATUS.interrupted
    if (!(error instanceof UnexpectedEnd) && !(error instanceof ConfigurationError)) throw error
    say(`\n${error.message}`)
    return EXIT_STATUS.failure
  } finally {
    for (const step of steps.toReversed()) await step()
    stopRequest.dispose()
    say('Everything has been stopped.')
  }
}

interface System {
  readonly registry: TaskRegistry
  readonly children: readonly DemoChild[]
  readonly database: Database
  readonly head: () => number
}

async function startSystem(blockTime: number, signal: AbortSignal, cleanUp: CleanUp): Promise<System> {
  say('Blockmill: the whole system on this machine, on real parts.\n')
  say('  Starting RabbitMQ, PostgreSQL and a development chain …')
  const { taskPackages, configFile } = schedulerSettings
  const { config } = await loadConfig(defineSettings({ taskPackages, configFile }))
  const registry = await discoverTasks(config.taskPackages)
  await rm(LOGS, { recursive: true, force: true })
  await mkdir(LOGS, { recursive: true })

  const base = withoutSettings(process.env)
  const start = (name: string, environment: NodeJS.ProcessEnv, ...args: string[]): DemoChild => {
    const logFile = path.join(LOGS, `${name}.log`)
    return startDemoChild({ name, main: MAIN, args, environment: { ...base, ...environment }, logFile })
  }

  const services = startDemoServices((line) => say(`  ${line}`))
  cleanUp(async () => (await services.catch(() => undefined))?.stop())
  const chain = start('chain', { BLOCKMILL_DEV_CHAIN_PORT: '0' }, 'dev-chain', '--block-time', `${blockTime}ms`)
  cleanUp(() => chain.stop())
  const [{ environment, sources }, chainUrl] = await unlessAborted(signal, Promise.all([services, chain.started]))
  say(`  RabbitMQ (${sources.broker}), PostgreSQL (${sources.database}) and the chain are running.`)
  say('  Starting scheduler, two workers and monitor …')

  const settings = {
    ...environment,
    CHAIN_URL: chainUrl,
    BLOCKMILL_CHAIN: CHAIN,
    BLOCKMILL_TASKS: config.taskPackages.join(','),
    PORT: '0',
  }
  const queues = [...new Set(registry.list().flatMap(({ definition: { queue, backfill } }) => [queue, backfill.queue]))]
  const workerSettings = { ...settings, BLOCKMILL_QUEUES: queues.join(',') }
  const monitor = start('monitor', settings, 'monitor')
  cleanUp(() => monitor.stop())
  const workers = ['worker-1', 'worker-2'].map((name) => start(name, workerSettings, 'worker', '--name', name))
  cleanUp(() => Promise.all(workers.map((worker) => worker.stop())))
  const [pageUrl] = await unlessAborted(signal, Promise.all([monitor, ...workers].map(({ started }) => started)))
  // Last, so that the first blocks do not wait for those that work on them.
  const scheduler = start('scheduler', settings, 'scheduler', '--start', String(FIRST_BLOCK))
  cleanUp(() => scheduler.stop())
  await unlessAborted(signal, scheduler.started)
  say('  All are running.\n')
  say(`  Status page  ${pageUrl}`)
  say(`  Logs         ${LOGS}`)
  say(`  ${registry.list().length} tasks      ${config.taskPackages.join(', ')}\n`)

  const database = openDatabase({ url: environment.DATABASE_URL, logger: createSilentLogger(), poolMax: 2 })
  cleanUp(() => database.close())
  const head = watchHead(chainUrl)
  cleanUp(() => head.close())
  return { registry, children: [chain, monitor, ...workers, scheduler], database, head: head.number }
}

async function followSystem(system: System, blocks: number | undefined, signal: AbortSignal): Promise<number> {
  const view = createProgressView(process.stdout)
  let [last, changedAt] = ['', Date.now()]
  for (;;) {
    const progress = await readProgress(system.database)
    signal.throwIfAborted()
    view.show({ ...progress, head: system.head() })
    if (blocks !== undefined) {
      const before = last
      last = JSON.stringify(progress)
      if (last !== before) changedAt = Date.now()
      const isStuck = Date.now() - changedAt > STUCK_AFTER_MS
      if (isStuck) say(`\nNothing has changed for ${STUCK_AFTER_MS / 1_000} seconds.`)
      const status = await judge(system, blocks, progress, isStuck)
      if (status !== undefined) return status
    }
    await delay(LOOK_EVERY_MS, undefined, { signal })
  }
}

/** The exit status once nothing is missing, or once `isFinal`; `undefined` as long as there is hope. */
async function judge(
  { registry, database }: System,
  blocks: number,
  progress: DemoProgress,
  isFinal: boolean,
): Promise<number | undefined> {
  const range = { from: FIRST_BLOCK, to: FIRST_BLOCK + blocks - 1 }
  if (progress.evaluatedTo < range.to && !isFinal) return undefined
  const [coverage, summaries] = [await readCoverage(database), await readTaskSummaries(database, range)]
  const missing = findMissing({ blocks: range, tasks: registry.list(), coverage, summaries })
  if (missing.length > 0 && !isFinal) return undefined
  say(`\nBlocks ${range.from} to ${range.to}; p50 and p95: from the block being seen to the handler being started.\n`)
  say(summaryTable(summaries))
  if (missing.length === 0) say('\nNothing is missing: no gap in coverage, and every scheduled task is finished.')
  else say(`\nMissing:\n${missing.map((line) => `  - ${line}`).join('\n')}`)
  return missing.length === 0 ? EXIT_STATUS.ok : EXIT_STATUS.failure
}

/** The demo's processes get its own settings alone, whatever this shell is set up for. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = new Set(['RABBITMQ_URL', 'DATABASE_URL', 'CHAIN_URL', 'HOST', 'PORT', 'LOG_LEVEL'])
  return Object.fromEntries(
    Object.entries(environment).filter(([key]) => !own.has(key) && !key.startsWith('BLOCKMILL_')),
  )
}

async function unlessAborted<Result>(signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import {
  type ConfigOf,
  createSilentLogger,
  type Database,
  discoverTasks,
  isForChainKind,
  openDatabase,
  type RegisteredTask,
} from '@blockmill/core'

import { type DemoChild, startDemoChild } from './demo-child.ts'
import { startDemoServices } from './demo-services.ts'
import type { demoSettings } from './demo-settings.ts'
import { watchHead } from './watch-head.ts'

/** The first block of the development chain, and of the demo. */
export const FIRST_BLOCK = 1

/** The demo while it runs. */
export interface DemoSystem {
  /** Those for the demo's chain. */
  readonly tasks: readonly RegisteredTask[]
  readonly children: readonly DemoChild[]
  readonly database: Database
  /** Number of the chain's newest block. */
  readonly head: () => number
}

/** What starting needs from its caller. */
export interface DemoSystemPorts {
  readonly config: ConfigOf<typeof demoSettings>
  /** Gives up the start. What runs by then is left to the clean-up. */
  readonly signal: AbortSignal
  /** Takes a step that undoes something; to be run in reverse order, whatever happens. */
  readonly cleanUp: (step: () => unknown) => void
  /** Takes a line for the user. */
  readonly say: (line: string) => void
}

const MAIN = fileURLToPath(new URL(`../main${path.extname(import.meta.filename)}`, import.meta.url))
const LOGS = path.join('.blockmill', 'demo', 'logs')
const CHAIN = 'dev'

/** Starts broker, database and chain, then monitor, workers and scheduler, each in a process of its own. */
export async function startDemoSystem({ config, signal, cleanUp, say }: DemoSystemPorts): Promise<DemoSystem> {
  const tasks = await tasksOfChain(config.taskPackages)
  await rm(LOGS, { recursive: true, force: true })
  await mkdir(LOGS, { recursive: true })
  const inherited = withoutSettings(process.env)
  const start = (name: string, settings: NodeJS.ProcessEnv, ...args: string[]): DemoChild => {
    const logFile = path.join(LOGS, `${name}.log`)
    return startDemoChild({ name, main: MAIN, args, environment: { ...inherited, ...settings }, logFile })
  }

  say('  Starting RabbitMQ, PostgreSQL and a development chain …')
  const services = startDemoServices((line) => say(`  ${line}`))
  cleanUp(async () => (await services.catch(() => undefined))?.stop())
  const chain = start(
    'chain',
    { BLOCKMILL_DEV_CHAIN_PORT: '0' },
    'dev-chain',
    '--block-time',
    `${config.blockTimeMs}ms`,
  )
  cleanUp(() => chain.stop())
  const [{ environment, sources }, chainUrl] = await unlessAborted(signal, Promise.all([services, chain.started]))
  say(`  RabbitMQ (${sources.broker}), PostgreSQL (${sources.database}) and the chain are running.`)

  say('  Starting scheduler, two workers and monitor …')
  const queues = new Set(tasks.flatMap(({ definition: { queue, backfill } }) => [queue, backfill.queue]))
  const settings = {
    ...environment,
    CHAIN_URL: chainUrl,
    PORT: '0',
    BLOCKMILL_CHAIN: CHAIN,
    BLOCKMILL_TASKS: config.taskPackages.join(','),
    BLOCKMILL_QUEUES: [...queues].join(','),
    ...(config.configFile === undefined ? {} : { BLOCKMILL_CONFIG: config.configFile }),
  }
  const monitor = start('monitor', settings, 'monitor')
  cleanUp(() => monitor.stop())
  const workers = ['worker-1', 'worker-2'].map((name) => start(name, settings, 'worker', '--name', name))
  cleanUp(() => Promise.all(workers.map((worker) => worker.stop())))
  const [pageUrl] = await unlessAborted(signal, Promise.all([monitor, ...workers].map(({ started }) => started)))
  // Last, so that the first blocks do not wait for those that work on them.
  const scheduler = start('scheduler', settings, 'scheduler', '--start', String(FIRST_BLOCK))
  cleanUp(() => scheduler.stop())
  await unlessAborted(signal, scheduler.started)
  say('  All are running.\n')
  say(`  Status page  ${pageUrl}`)
  say(`  Logs         ${LOGS}`)
  say(`  ${tasks.length} tasks      ${config.taskPackages.join(', ')}\n`)

  const database = openDatabase({ url: environment.DATABASE_URL, logger: createSilentLogger(), poolMax: 2 })
  cleanUp(() => database.close())
  const head = watchHead(chainUrl)
  cleanUp(() => head.close())
  return { tasks, children: [chain, monitor, ...workers, scheduler], database, head: head.number }
}

async function tasksOfChain(packages: readonly string[]): Promise<readonly RegisteredTask[]> {
  const registry = await discoverTasks(packages)
  return registry
    .list()
    .filter(({ definition }) => isForChainKind(definition, 'substrate') && (definition.chains?.includes(CHAIN) ?? true))
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

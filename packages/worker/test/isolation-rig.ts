import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type AnyTaskDefinition,
  createEnqueue,
  createLogger,
  discoverTasks,
  type SubstrateAccess,
} from '@blockmill/core'
import { type Attempt, createAttempt } from '../src/execute/attempt.ts'
import type { ChildChain } from '../src/isolate/child-protocol.ts'
import { createExecutor } from '../src/execute/executor.ts'
import type { Outcome } from '../src/execute/outcome.ts'
import { createIsolatedExecution, type IsolatedExecutionOptions } from '../src/isolate/isolation.ts'
import type { Behaviour } from './fixtures/isolated-tasks.ts'
import { item, unit } from './messages.ts'
import { noRange } from './no-range.ts'

export const TASKS = fileURLToPath(new URL('fixtures/isolated-tasks.ts', import.meta.url))

/** An executor as a worker has it, with threads and processes. */
export interface IsolationRig {
  /** Runs a behaviour as a task: its name in the fixtures, with what the isolation is the last part of. */
  readonly run: (task: string, does: Behaviour, options?: RunOptions) => Promise<Outcome>
  readonly lines: readonly Record<string, unknown>[]
  readonly size: () => number
  readonly stop: () => Promise<void>
}

export interface RunOptions {
  readonly block?: number | undefined
  readonly abort?: AbortController
  readonly onProgress?: (done: number, total: number | undefined) => void
}

export async function isolationRig({
  chain,
  ...options
}: Partial<IsolatedExecutionOptions> & {
  readonly chain?: ChildChain
} = {}): Promise<IsolationRig> {
  const registry = await discoverTasks([TASKS])
  const lines: Record<string, unknown>[] = []
  const logger = createLogger({
    service: 'worker',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  })
  const listeners = new Map<Attempt, NonNullable<RunOptions['onProgress']>>()
  const onProgress = (attempt: Attempt, done: number, total: number | undefined): void =>
    listeners.get(attempt)?.(done, total)
  const isolated = createIsolatedExecution({
    sources: { taskPackages: [TASKS], ...(chain && { chain }) },
    logger,
    concurrency: 4,
    graceMs: 300,
    onProgress,
    range: noRange,
    ...options,
  })
  const execute = createExecutor({
    logger,
    chain: chain && ({ id: chain.id } as SubstrateAccess),
    enqueueFor: (id) => createEnqueue({ chain: id, publish: async () => undefined }),
    stuckGraceMs: 300,
    onProgress,
    onStuck: () => undefined,
    isolated: isolated.execute,
    range: noRange,
  })
  return {
    async run(task, does, { block = 1, abort = new AbortController(), onProgress: listener = () => undefined } = {}) {
      const definition = registry.get(task) as AnyTaskDefinition
      const work = unit(definition, { items: [item(block, { does })] })
      const attempt = { ...createAttempt(work, item(block, { does }), 0), abort }
      listeners.set(attempt, listener)
      return execute(attempt)
    },
    lines,
    size: () => isolated.size,
    stop: () => isolated.stop(),
  }
}

/** Ids of the processes that this one has started. */
export function childPids(): number[] {
  const { pid } = process
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** True while a process runs: one that has ended but was not waited for by its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    const [, state] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
    return state?.startsWith('Z') === false
  } catch {
    return false
  }
}

import type { Command } from 'commander'

import { answersOf, type WorkerStats, workerStats } from '../control/answers.ts'
import { listQueues, queueTable } from '../control/list-queues.ts'
import { addControlOptions, type ControlFlags, type ControlPorts, withControl } from '../control/with-control.ts'
import { EXIT_STATUS } from '../exit-status.ts'
import type { SetStatus } from '../run-cli.ts'
import { textTable } from '../text-table.ts'

/** What a question found: as data, as text, and whether there is anything. */
export interface Finding {
  readonly data: unknown
  readonly text: string
  readonly isEmpty: boolean
}

const QUESTIONS: readonly {
  readonly name: string
  readonly description: string
  readonly ask: (ports: ControlPorts) => Promise<Finding>
}[] = [
  { name: 'ping', description: 'who is there; status 1 when no worker answers', ask: ping },
  { name: 'stats', description: 'what each worker is doing; status 1 when none answers', ask: stats },
  { name: 'active', description: 'tasks that run now; status 1 when no worker answers', ask: active },
  { name: 'queues', description: 'queues: what waits, who consumes, what is paused', ask: queues },
]

/** Adds `blockmill inspect ping`, `stats`, `active` and `queues`. */
export function addInspectCommands(program: Command, setStatus: SetStatus): void {
  const inspect = program.command('inspect').description('ask the workers that are there')
  for (const { name, description, ask } of QUESTIONS) {
    addQuestion(inspect.command(name).description(description), setStatus, ask)
  }
}

/** Makes a command print what a question finds. Its status is 1 when that is nothing. */
export function addQuestion(
  command: Command,
  setStatus: SetStatus,
  ask: (ports: ControlPorts) => Promise<Finding>,
): void {
  addControlOptions(command).action(async (flags: ControlFlags) => {
    const { data, text, isEmpty } = await withControl(command, flags, ask)
    process.stdout.write(`${flags.json === true ? JSON.stringify(data, undefined, 2) : text}\n`)
    if (isEmpty) setStatus(EXIT_STATUS.failure)
  })
}

/** What each worker is doing. */
export async function stats({ control }: ControlPorts): Promise<Finding> {
  const workers = workerStats(await control.stats())
  return {
    data: workers.map(asJson),
    text: workers.length === 0 ? 'No worker answered.' : statsTable(workers),
    isEmpty: workers.length === 0,
  }
}

/** Which queues there are. */
export async function queues(ports: ControlPorts): Promise<Finding> {
  const lanes = await listQueues(ports)
  return { data: lanes, text: lanes.length === 0 ? 'No queue is known.' : queueTable(lanes), isEmpty: false }
}

async function ping({ control }: ControlPorts): Promise<Finding> {
  const { workers, monitors } = answersOf(await control.ping())
  const lines = [...workers.map((name) => `worker   ${name}`), ...monitors.map((name) => `monitor  ${name}`)]
  return {
    data: { workers, monitors },
    text: [...lines, ...(workers.length === 0 ? ['No worker answered.'] : [])].join('\n'),
    isEmpty: workers.length === 0,
  }
}

async function active({ control }: ControlPorts): Promise<Finding> {
  const workers = workerStats(await control.stats())
  const tasks = workers.flatMap(({ from, running }) => running.map((task) => ({ worker: from, ...task })))
  const table = textTable(
    ['task', 'id', 'block', 'attempt', 'started', 'worker'],
    tasks.map(({ task, taskId, block, attempt, startedAt, worker }) => [
      task,
      taskId,
      block ?? '-',
      attempt,
      startedAt,
      worker,
    ]),
  )
  const idle = workers.length === 0 ? 'No worker answered.' : 'Nothing runs.'
  return { data: tasks, text: tasks.length === 0 ? idle : table, isEmpty: workers.length === 0 }
}

function statsTable(workers: readonly WorkerStats[]): string {
  return textTable(
    ['worker', 'host', 'pid', 'queues', 'slots', 'running', 'buffered', 'paused', 'memory MB', 'loop lag ms', 'since'],
    workers.map((worker) => [
      worker.from,
      worker.host,
      worker.pid,
      worker.queues.join(','),
      worker.concurrency,
      worker.running.length,
      worker.buffered,
      worker.paused.length,
      Math.round(worker.rssBytes / 1e6),
      worker.eventLoopLagMs,
      worker.startedAt,
    ]),
  )
}

function asJson({ from, type: _type, v: _v, id: _id, ...rest }: WorkerStats): object {
  return { worker: from, ...rest }
}

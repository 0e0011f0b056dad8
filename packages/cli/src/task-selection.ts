import {
  type Database,
  type Duration,
  durationMs,
  type Lane,
  LANES,
  NonRetryableError,
  type TaskState,
} from '@blockmill/core'
import type { TaskAction, TaskActionOptions, TaskActionPorts, TaskFilter, TaskOutcome } from '@blockmill/monitor'
import { type Command, InvalidArgumentError, Option } from 'commander'

import { blockNumber } from './option-values.ts'

/** Which tasks a command is for, as its options say. */
export interface SelectionFlags {
  readonly status?: TaskState[]
  readonly task?: string
  readonly queue?: string
  readonly lane?: Lane
  readonly chain?: string
  readonly from?: number
  readonly to?: number
  readonly scheduledAfter?: Date
  readonly scheduledBefore?: Date
  readonly finishedAfter?: Date
  readonly finishedBefore?: Date
  readonly limit: number
}

const DEFAULT_LIMIT = 1_000
const MAX_LIMIT = 1_000_000
/** Most that are asked for at once. */
const BATCH = 500
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Adds the options that say which tasks are meant, of those in states that the command is for. */
export function addSelectionOptions(command: Command, states: readonly TaskState[]): Command {
  const timeOption = (flag: string, description: string): Option =>
    new Option(`--${flag} <time>`, `${description}: a time, or how long ago, such as 2h`).argParser(pastTime)
  return command
    .addOption(new Option('--status <state...>', 'only in these states').choices(states))
    .option('--task <name>', 'only of this task')
    .option('--queue <queue>', 'only of this queue')
    .addOption(new Option('--lane <lane>', 'only of this lane').choices(LANES))
    .option('--chain <name>', 'only of this chain')
    .option('--from <block>', 'only from this block on', blockNumber)
    .option('--to <block>', 'only up to this block', blockNumber)
    .addOption(timeOption('scheduled-after', 'only scheduled from then on'))
    .addOption(timeOption('scheduled-before', 'only scheduled until then'))
    .addOption(new Option('--limit <count>', 'at most so many by filter').argParser(limitOf).default(DEFAULT_LIMIT))
}

/** Adds those about the end of a task. */
export function addFinishOptions(command: Command): Command {
  return command
    .option('--finished-after <time>', 'only ended from then on: a time, or how long ago, such as 2h', pastTime)
    .option('--finished-before <time>', 'only ended until then', pastTime)
}

/** True when the options limit the tasks in any way. */
export function isFiltered(flags: SelectionFlags): boolean {
  return Object.keys(filterOf(flags)).length > 0
}

/**
 * The tasks that were named, or all that fit the options and may have the action. Nothing said would mean everything, which
 * nobody should order by mistake.
 *
 * @throws NonRetryableError `CONTROL_INVALID` when neither is given, or both are, and for what is no task id.
 */
export async function selectedIds(
  { query }: Pick<Database, 'query'>,
  action: TaskAction,
  given: readonly string[],
  flags: SelectionFlags & TaskActionOptions,
): Promise<readonly string[]> {
  assertSelection(given, flags)
  if (given.length > 0) return [...new Set(given.map(idOf))]
  const { actionFilter, selectTaskIds } = await import('@blockmill/monitor')
  return selectTaskIds(query, actionFilter(filterOf(flags), action, flags), { limit: flags.limit })
}

/** @throws NonRetryableError `CONTROL_INVALID` when neither ids nor options are given, or both are. */
export function assertSelection(given: readonly string[], flags: SelectionFlags): void {
  if (given.length > 0 !== isFiltered(flags)) return
  throw new NonRetryableError(
    'CONTROL_INVALID',
    'Say which tasks are meant: ids, or options that limit them, such as --status, --task, --queue or --from; not ids with any of these.',
  )
}

/** Does something with tasks, a batch at a time. */
export async function actOnSelected(
  ports: TaskActionPorts,
  action: TaskAction,
  ids: readonly string[],
  options: TaskActionOptions = {},
): Promise<TaskOutcome[]> {
  const { actOnTasks } = await import('@blockmill/monitor')
  const outcomes: TaskOutcome[] = []
  for (let n = 0; n < ids.length; n += BATCH) {
    outcomes.push(...(await actOnTasks(ports, action, ids.slice(n, n + BATCH), options)))
  }
  return outcomes
}

/** Prints how many tasks a command would be for. */
export function reportDryRun(total: number, would: string, json = false): void {
  process.stdout.write(`${json ? JSON.stringify({ total }) : `${total} would be ${would}.`}\n`)
}

/**
 * Prints what became of tasks.
 *
 * @param done what was done, as a key and in words: `retried`, `run again`.
 * @returns how many were refused.
 */
export function reportOutcomes(
  outcomes: readonly TaskOutcome[],
  done: { readonly key: string; readonly words: string },
  json = false,
): number {
  const refused = outcomes.flatMap((outcome) => {
    if (outcome.type === 'done') return []
    return [{ id: outcome.id, why: outcome.type === 'unknown' ? 'is not on record' : outcome.why }]
  })
  const count = outcomes.length - refused.length
  const lines = [
    `${count} ${done.words}, ${refused.length} cannot be ${done.words}.`,
    ...refused.map(({ id, why }) => `Task ${id} ${why}.`),
  ]
  const text = json ? JSON.stringify({ [done.key]: count, refused }, undefined, 2) : lines.join('\n')
  process.stdout.write(`${text}\n`)
  return refused.length
}

function filterOf(flags: SelectionFlags): TaskFilter {
  const { status, task, queue, lane, chain, from, to } = flags
  const { scheduledAfter, scheduledBefore, finishedAfter, finishedBefore } = flags
  return {
    ...(status !== undefined && { status }),
    ...(task !== undefined && { name: task }),
    ...(queue !== undefined && { queue }),
    ...(lane !== undefined && { lane }),
    ...(chain !== undefined && { chain }),
    ...(from !== undefined && { blockFrom: from }),
    ...(to !== undefined && { blockTo: to }),
    ...(scheduledAfter !== undefined && { scheduledFrom: scheduledAfter.toISOString() }),
    ...(scheduledBefore !== undefined && { scheduledTo: scheduledBefore.toISOString() }),
    ...(finishedAfter !== undefined && { finishedFrom: finishedAfter.toISOString() }),
    ...(finishedBefore !== undefined && { finishedTo: finishedBefore.toISOString() }),
  }
}

function idOf(text: string): string {
  const id = text.toLowerCase()
  if (UUID.test(id)) return id
  throw new NonRetryableError(
    'CONTROL_INVALID',
    `${JSON.stringify(text)} is no task id. A task id is a UUID, as lists of tasks and events show it.`,
  )
}

function limitOf(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= MAX_LIMIT) return limit
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_LIMIT}.`)
}

/** A time in ISO 8601, or how long ago it was. */
function pastTime(text: string): Date {
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : ago(text)
  if (time !== undefined && !Number.isNaN(time.getTime())) return time
  throw new InvalidArgumentError('It must be a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h.')
}

function ago(text: string): Date | undefined {
  try {
    return new Date(Date.now() - durationMs(text as Duration, 'time'))
  } catch {
    // The caller says what it must be.
    return undefined
  }
}

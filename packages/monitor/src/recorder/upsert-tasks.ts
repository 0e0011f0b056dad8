import { type SerializedError, TASK_STATES, stateRank } from '@blockmill/core'

import { failureFingerprint } from '../failures/failure-fingerprint.ts'
import { type Column, columnNames, columnValues, selectColumns } from './column.ts'
import type { TaskRecord } from './task-record.ts'

type TaskColumn = Column<TaskRecord>

// What a task is, and never changes.
const IDENTITY: readonly TaskColumn[] = [
  { name: 'id', type: 'uuid', value: ({ id }) => id },
  { name: 'chain', type: 'text', value: ({ chain }) => chain },
  { name: 'name', type: 'text', value: ({ name }) => name },
]

// What belongs to its identity too, but not every message says.
const UNIT: readonly TaskColumn[] = [
  { name: 'block_number', type: 'bigint', value: ({ block }) => block },
  { name: 'block_hash', type: 'text', value: ({ unit }) => unit?.blockHash ?? null },
  { name: 'range_from', type: 'bigint', value: ({ unit }) => unit?.rangeFrom ?? null },
  { name: 'range_to', type: 'bigint', value: ({ unit }) => unit?.rangeTo ?? null },
  { name: 'args', type: 'jsonb', value: ({ unit }) => unit?.args ?? null },
  { name: 'args_hash', type: 'text', value: ({ unit }) => unit?.argsHash ?? null },
]

const SCHEDULE: readonly TaskColumn[] = [
  { name: 'queue', type: 'text', value: ({ schedule }) => schedule?.queue ?? null },
  { name: 'lane', type: 'text', value: ({ schedule }) => schedule?.lane ?? null },
  { name: 'priority', type: 'int', value: ({ schedule }) => schedule?.priority ?? null },
  { name: 'cause', type: 'text', value: ({ schedule }) => schedule?.cause ?? null },
  { name: 'max_attempts', type: 'int', value: ({ schedule }) => schedule?.maxAttempts ?? null },
  { name: 'scheduled_at', type: 'timestamptz', value: ({ schedule }) => schedule?.scheduledAt ?? null },
  { name: 'schedule_generation', type: 'bigint', value: ({ schedule }) => schedule?.generation || null },
  { name: 'not_before', type: 'timestamptz', value: ({ schedule }) => schedule?.notBefore ?? null },
  { name: 'expires_at', type: 'timestamptz', value: ({ schedule }) => schedule?.expiresAt ?? null },
  { name: 'root_id', type: 'uuid', value: ({ schedule }) => schedule?.rootId ?? null },
  { name: 'parent_id', type: 'uuid', value: ({ schedule }) => schedule?.parentId ?? null },
]

const STATE: readonly TaskColumn[] = [
  { name: 'status', type: 'text', value: ({ state }) => state.state },
  { name: 'generation', type: 'bigint', value: ({ state }) => state.generation },
  { name: 'attempt', type: 'int', value: ({ state }) => state.attempt },
  { name: 'postpones', type: 'int', value: ({ state }) => state.postpones },
  { name: 'changed_at', type: 'timestamptz', value: ({ state }) => state.changedAt },
  { name: 'started_at', type: 'timestamptz', value: ({ state }) => state.startedAt },
  { name: 'finished_at', type: 'timestamptz', value: ({ state }) => state.finishedAt },
  { name: 'next_attempt_at', type: 'timestamptz', value: ({ state }) => state.nextAttemptAt },
  { name: 'worker', type: 'text', value: ({ state }) => state.worker },
  { name: 'result', type: 'jsonb', value: ({ state }) => state.result },
  { name: 'error', type: 'jsonb', value: ({ state }) => state.error },
  { name: 'reason', type: 'text', value: ({ state }) => state.reason },
  { name: 'fingerprint', type: 'text', value: fingerprintOf },
]

const PROGRESS: readonly TaskColumn[] = [
  { name: 'progress_done', type: 'float8', value: ({ progress }) => progress?.done ?? null },
  { name: 'progress_total', type: 'float8', value: ({ progress }) => progress?.total ?? null },
  { name: 'progress_at', type: 'timestamptz', value: ({ progress }) => progress?.at ?? null },
]

const COLUMNS: readonly TaskColumn[] = [...IDENTITY, ...UNIT, ...SCHEDULE, ...STATE, ...PROGRESS]

// Most batches have nothing in these: what is not sent needs no parsing. In groups, so that there are few statements.
const RARE: readonly (readonly string[])[] = [
  ['block_hash', 'range_from', 'range_to', 'schedule_generation', 'not_before', 'expires_at', 'root_id', 'parent_id'],
  ['error', 'reason', 'next_attempt_at', 'fingerprint'],
  ['progress_done', 'progress_total', 'progress_at'],
]

const STATES_BY_RANK = TASK_STATES.toSorted((a, b) => stateRank(a) - stateRank(b))

/** The order of `compareStates` as a row that PostgreSQL compares from left to right. */
function progressOf(row: 'excluded' | 'task'): string {
  return `(
    ${row}.generation,
    ${row}.status = 'succeeded',
    ${row}.attempt,
    ${row}.postpones,
    array_position(array['${STATES_BY_RANK.join(`', '`)}'], ${row}.status),
    case ${row}.status
      when 'running' then ${row}.changed_at - timestamptz 'epoch'
      else timestamptz 'epoch' - ${row}.changed_at
    end,
    coalesce(${row}.worker, '') collate "C"
  )`
}

const IS_AHEAD = `${progressOf('excluded')} > ${progressOf('task')}`
const IS_FIRST_SCHEDULED = `(excluded.scheduled_at is not null and (task.scheduled_at is null
  or coalesce(excluded.schedule_generation, 0) > coalesce(task.schedule_generation, 0)
  or (coalesce(excluded.schedule_generation, 0) = coalesce(task.schedule_generation, 0)
    and excluded.scheduled_at < task.scheduled_at)))`
const IS_LAST_REPORTED = `(excluded.generation > task.generation or (excluded.generation = task.generation
  and excluded.progress_at > coalesce(task.progress_at, '-infinity')))`
const IS_NEWS = `(task.args is null and excluded.args is not null)
  or (task.block_number is null and excluded.block_number is not null)`

/** A statement for some tasks, planned once for each connection. */
export interface TaskUpsert {
  readonly name: string
  readonly text: string
  readonly values: readonly string[]
}

/**
 * Merges tasks into `task` as `mergeTasks` does, in one statement. A row that says nothing new is left untouched, so that messages
 * that come again cost no write.
 */
export function upsertTasks(tasks: readonly TaskRecord[]): TaskUpsert {
  const variant = RARE_COLUMNS.reduce((bits, group, index) => bits | (isUsed(group, tasks) ? 1 << index : 0), 0)
  const { columns, text } = (variants[variant] ??= createVariant(variant))
  return { name: `blockmill_upsert_tasks_${variant}`, text, values: columnValues(columns, tasks) }
}

const RARE_COLUMNS = RARE.map((names) =>
  names.map((name) => COLUMNS.find((column) => column.name === name) as TaskColumn),
)

interface Variant {
  readonly columns: readonly TaskColumn[]
  readonly text: string
}
const variants: Variant[] = []

function isUsed(group: readonly TaskColumn[], tasks: readonly TaskRecord[]): boolean {
  return group.some(({ value }) => tasks.some((task) => value(task) !== null))
}

/** A column that is not sent is null, and the rest of the statement treats it like any other. */
function createVariant(variant: number): Variant {
  const left = RARE_COLUMNS.flatMap((group, index) => ((variant & (1 << index)) === 0 ? group : []))
  const columns = COLUMNS.filter((column) => !left.includes(column))
  return {
    columns,
    text: `insert into blockmill.task (${columnNames(columns)}) ${selectColumns(columns)} ${ON_CONFLICT}`,
  }
}

const ON_CONFLICT = `
on conflict (id) do update set
  ${[
    ...UNIT.map(({ name }) => `${name} = coalesce(task.${name}, excluded.${name})`),
    ...SCHEDULE.map((column) => takeWhen(IS_FIRST_SCHEDULED, column)),
    ...STATE.map((column) => takeWhen(IS_AHEAD, column)),
    ...PROGRESS.map((column) => takeWhen(IS_LAST_REPORTED, column)),
  ].join(',\n  ')}
where ${IS_AHEAD} or ${IS_FIRST_SCHEDULED} or ${IS_LAST_REPORTED} or ${IS_NEWS}`

function takeWhen(condition: string, { name }: TaskColumn): string {
  return `${name} = case when ${condition} then excluded.${name} else task.${name} end`
}

function fingerprintOf({ name, state: { error } }: TaskRecord): string | null {
  return error === null ? null : failureFingerprint(name, JSON.parse(error) as SerializedError)
}

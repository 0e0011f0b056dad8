import type { BlockRange, BlockSet, Query } from '@blockmill/core'

import { type CoverageFilter, IS_BLOCK_WANTED } from './coverage-filter.ts'
import { taskConditions, UNFINISHED } from './task-filter.ts'

/** Some blocks: how many in all, and the lowest ranges of them. */
export interface SomeBlocks {
  /** Complete, also when the ranges are cut, unless `isCountCut`. */
  readonly count: number
  /** Ascending, both ends included; at most 100. */
  readonly ranges: BlockSet
  /** True when there are more ranges than these. */
  readonly isCut: boolean
  /** So many tasks are like this that not all were looked at: there may be more than were counted. */
  readonly isCountCut?: true
}

/** Blocks of one task with one set of arguments on a chain, whose tasks are not done. */
export interface OpenBlocks {
  /** Their task waits or runs. */
  readonly unfinished: SomeBlocks
  /** Their task failed for good. */
  readonly failed: SomeBlocks
}

/** Names a task with one set of arguments on a chain. */
export interface TaskKey {
  readonly chain: string
  readonly task: string
  readonly argsHash: string
}

/** Most ranges that are shown. */
export const MAX_RANGES = 100

/** Most tasks of each kind that are read for one answer; all sets of arguments share them. */
const MOST_TASKS = 50_000

const WANTED = 'unnest($1::text[], $2::text[], $3::text[]) with ordinality as wanted (chain, name, args_hash, place)'

// A range begins where a block does not follow the one before, which is then the last of the range before. From indexes alone.
const blocksOf = (tasks: string): string => `
  select place, count(*) as tasks, count(*) filter (where step > 0) as blocks, max(block_number) as last,
    (array_agg(block_number order by block_number) filter (where step > 1))[:${MAX_RANGES + 1}] as starts,
    (array_agg(previous order by block_number) filter (where step > 1))[:${MAX_RANGES + 1}] as ends
  from (
    select *, coalesce(block_number - previous, 2) as step
    from (
      select place, block_number, lag(block_number) over (partition by place order by block_number) as previous
      from (${tasks}) as task
    ) as ordered
  ) as stepped
  group by place`

// As many of each set of arguments, the lowest first.
const FAILED = blocksOf(`
  select place, block_number from ${WANTED} cross join lateral (
    select block_number from blockmill.task
    where status in ('failed', 'dead') and task.chain = wanted.chain and task.name = wanted.name
      and task.args_hash = wanted.args_hash and ${IS_BLOCK_WANTED}
    order by block_number limit $6
  ) as found`)

// Ids are in the order of blocks, so these are the lowest of all. Those of other tasks are in no place, and count as read.
const unfinished = (where: string): string =>
  blocksOf(`
  select place, block_number
  from (
    select chain, name, args_hash, block_number from blockmill.task ${where} order by id limit $4
  ) as task
  left join ${WANTED} on block_number is not null
    and (wanted.chain, wanted.name, wanted.args_hash) = (task.chain, task.name, task.args_hash)`)

/**
 * Blocks whose tasks are unfinished or have failed for good, of the tasks that are asked for. What an answer costs does not grow
 * with how many there are: the highest blocks are left out when there are too many, and that is said.
 *
 * @param mostTasks of each kind that are read. Default 50,000.
 * @returns tells them for each of the keys.
 */
export async function readOpenBlocks(
  query: Query,
  keys: readonly TaskKey[],
  { from, to }: Pick<CoverageFilter, 'from' | 'to'>,
  mostTasks = MOST_TASKS,
): Promise<(key: TaskKey) => OpenBlocks> {
  // Two rows of coverage may be of the same tasks, on two heads.
  const places = new Map(keys.map((key) => [keyOf(key), key]))
  const wanted = [...places.values()]
  const names = [
    wanted.map(({ chain }) => chain),
    wanted.map(({ task }) => task),
    wanted.map(({ argsHash }) => argsHash),
  ]
  const mostOfEach = Math.ceil(mostTasks / Math.max(1, wanted.length))
  const params: unknown[] = [...names, mostTasks]
  const waiting = taskConditions(
    {
      status: [...UNFINISHED],
      ...(from !== undefined && { blockFrom: from }),
      ...(to !== undefined && { blockTo: to }),
    },
    params,
  )
  const [unfinishedRows, failedRows] = await Promise.all([
    query<BlocksRow>(unfinished(waiting.where()), params),
    query<BlocksRow>(FAILED, [...names, from ?? null, to ?? null, mostOfEach]),
  ])
  const read = unfinishedRows.reduce((sum, { tasks }) => sum + tasks, 0)
  const found = { unfinished: byPlace(unfinishedRows), failed: byPlace(failedRows) }
  const placeOf = new Map([...places.keys()].map((key, index) => [key, index + 1]))
  return (key) => {
    const place = placeOf.get(keyOf(key)) ?? 0
    const failed = found.failed.get(place)
    return {
      unfinished: someBlocks(found.unfinished.get(place), { isCountCut: read >= mostTasks }),
      failed: someBlocks(failed, { isCountCut: (failed?.tasks ?? 0) >= mostOfEach }),
    }
  }
}

interface BlocksRow {
  /** Of the key, from 1; null for tasks that are not asked for. */
  readonly place: number | null
  /** Those that were read: a block may have several, one for each of its hashes, on the latest head. */
  readonly tasks: number
  readonly blocks: number
  readonly last: number
  readonly starts: readonly string[]
  readonly ends: readonly string[]
}

function byPlace(rows: readonly BlocksRow[]): ReadonlyMap<number | null, BlocksRow> {
  return new Map(rows.map((row) => [row.place, row]))
}

function someBlocks(row: BlocksRow | undefined, { isCountCut }: { readonly isCountCut: boolean }): SomeBlocks {
  const ranges = row === undefined ? [] : rangesOf(row)
  return {
    count: row?.blocks ?? 0,
    ranges: ranges.slice(0, MAX_RANGES),
    isCut: isCountCut || ranges.length > MAX_RANGES,
    ...(isCountCut && { isCountCut }),
  }
}

function rangesOf({ starts, ends, last }: BlocksRow): BlockRange[] {
  return starts.map((start, index) => ({ from: Number(start), to: Number(ends[index + 1] ?? last) }))
}

// None of the names may contain a slash.
function keyOf({ chain, task, argsHash }: TaskKey): string {
  return `${chain}/${task}/${argsHash}`
}
